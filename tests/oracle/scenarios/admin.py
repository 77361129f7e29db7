"""The administration that has to do with brokers, quotas and security; Kafka has no authorizer here."""

from functools import partial

CONFIGS = {"group": 32, "topic": 2, "broker": 4, "broker logger": 8, "client metrics": 16}


def list_config_resources(s, version):
    s.create(f"resources-{version}")
    settings = [{"name": "consumer.session.timeout.ms", "value": "50000"}]
    s.ask("setup", "a group's", "IncrementalAlterConfigs", 1, {"resources": [{"type": 32, "name": f"resources-{version}", "configs": settings}]})

    def ask(what, *types):
        s.ask("a", what, "ListConfigResources", version, {"resource_types": list(types)})

    ask("all types")
    if version >= 1:
        for name, resource_type in CONFIGS.items():
            ask(f"type {name}", resource_type)
        for resource_type in (0, 1, 3, 127, -1):
            ask(f"type {resource_type}", resource_type)
        ask("types group and topic", 32, 2)
        ask("types group and unknown", 32, 7)
        ask("type group twice", 32, 32)


def group_configs(s):
    """Properties of a group: DescribeConfigs and IncrementalAlterConfigs of resource type 32."""
    group = "configured-group"

    def describe(what, name=group, keys=None, version=4):
        s.ask("a", what, "DescribeConfigs", version, {"resources": [{"type": 32, "name": name, "keys": keys}]})

    def alter(what, *configs, name=group, **values):
        configs = [{"name": key, "operation": operation, "value": value} for key, operation, value in configs]
        s.ask("a", what, "IncrementalAlterConfigs", 1, {"resources": [{"type": 32, "name": name, "configs": configs}]} | values)

    describe("unknown group")
    describe("empty group id", "")
    alter("set", ("consumer.session.timeout.ms", 0, "46000"), ("consumer.heartbeat.interval.ms", 0, "4000"))
    describe("after the change")
    describe("chosen keys", keys=["consumer.session.timeout.ms", "no.such.config"])
    describe("after the change", version=1)
    one_key = [{"type": 32, "name": group, "keys": ["consumer.session.timeout.ms"]}]
    s.ask("a", "with synonyms", "DescribeConfigs", 4, {"resources": one_key, "include_synonyms": 1})
    alter("session timeout below the least", ("consumer.session.timeout.ms", 0, "1"))
    alter("session timeout above the most", ("consumer.session.timeout.ms", 0, "9000000"))
    alter("session timeout not above the heartbeat interval", ("consumer.session.timeout.ms", 0, "4000"))
    alter("not a number", ("consumer.session.timeout.ms", 0, "soon"))
    alter("unknown key", ("no.such.config", 0, "1"))
    alter("a topic's key", ("retention.ms", 0, "1"))
    alter("append", ("consumer.session.timeout.ms", 2, "47000"))
    alter("empty group id", ("consumer.session.timeout.ms", 0, "47000"), name="")
    alter("validate only", ("consumer.session.timeout.ms", 0, "47000"), validate_only=1)
    alter("share, streams", ("share.session.timeout.ms", 0, "50000"), ("streams.session.timeout.ms", 0, "50000"))
    describe("unchanged by what was refused", keys=["consumer.session.timeout.ms", "share.session.timeout.ms", "streams.session.timeout.ms"])
    alter("delete", ("consumer.session.timeout.ms", 1, None), ("consumer.heartbeat.interval.ms", 1, None))
    describe("after the deletion", keys=["consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"])
    resources = [{"type": 32, "name": "configured-legacy", "configs": [{"name": "consumer.session.timeout.ms", "value": "48000"}]}]
    s.ask("a", "a group", "AlterConfigs", 2, {"resources": resources})


def elect_leaders(s, version):
    topic = f"elect-{version}"
    s.create(topic, 2)

    def ask(what, topics, **values):
        s.ask("a", what, "ElectLeaders", version, {"topics": topics} | values)

    def preferred(*names_and_partitions):
        return [{"name": name, "partitions": list(partitions)} for name, *partitions in names_and_partitions]

    ask("preferred, one topic", preferred((topic, 0, 1)))
    ask("preferred, unknown partition and topic", preferred((topic, 0, 7), ("absent", 0)))
    ask("preferred, one partition twice", preferred((topic, 0, 0)))
    ask("preferred, empty topic name", preferred(("", 0)))
    ask("preferred, no topics", [])
    ask("preferred, no partitions", preferred((topic,)))
    if version >= 1:
        ask("unclean, one topic", preferred((topic, 0)), election_type=1)
        ask("election type 2", preferred((topic, 0)), election_type=2)
    ask("preferred, all", None)


def reassignments(s):
    topic = "reassign"
    s.create(topic, 3)

    def alter(what, *partitions, version=0, name=topic, **values):
        partitions = [{"index": index, "replicas": replicas} for index, replicas in partitions]
        s.ask("a", what, "AlterPartitionReassignments", version, {"topics": [{"name": name, "partitions": partitions}]} | values)

    alter("to itself", (0, [1]))
    alter("to itself", (0, [1]), version=1)
    alter("to an unknown broker", (0, [9]))
    alter("to two brokers, one unknown", (0, [1, 9]))
    alter("to one broker twice", (0, [1, 1]))
    alter("to nobody", (0, []))
    alter("to broker -1", (0, [-1]))
    alter("cancel, nothing is going on", (0, None))
    alter("unknown partition", (7, [1]))
    alter("cancel, unknown partition", (7, None))
    alter("unknown topic", (0, [1]), name="absent")
    alter("empty topic name", (0, [1]), name="")
    alter("good and bad", (0, [1]), (1, [9]), (2, None))
    alter("one partition twice", (0, [1]), (0, [1]))
    alter("another number of replicas, not allowed", (0, [1, 9]), version=1, allow_replication_factor_change=0)
    alter("no partitions")
    s.ask("a", "no topics", "AlterPartitionReassignments", 0, {"topics": []})

    def listed(what, topics):
        s.ask("a", what, "ListPartitionReassignments", 0, {"topics": topics})

    listed("all", None)
    listed("one topic", [{"name": topic, "partitions": [0, 1, 2]}])
    listed("unknown topic and partition", [{"name": "absent", "partitions": [0]}, {"name": topic, "partitions": [7]}])
    listed("no topics", [])


def acls(s, version):
    def describe(what, **values):
        s.ask("a", what, "DescribeAcls", version, values)

    describe("any")
    describe("a topic's", resource_type=2, resource_name="topic", pattern_type=3)
    describe("resource type 0", resource_type=0)
    describe("resource type 99", resource_type=99)
    describe("pattern type 0", pattern_type=0)
    describe("operation 99", operation=99)
    describe("permission type 0", permission_type=0)
    s.ask("a", "one", "CreateAcls", version, {"creations": [{"resource_name": "topic"}]})
    s.ask("a", "two, one of them bad", "CreateAcls", version, {"creations": [{"resource_name": "topic"}, {"resource_name": "", "operation": 1}]})
    s.ask("a", "resource type 0", "CreateAcls", version, {"creations": [{"resource_name": "topic", "resource_type": 0}]})
    s.ask("a", "pattern type any", "CreateAcls", version, {"creations": [{"resource_name": "topic", "pattern_type": 1}]})
    s.ask("a", "none", "CreateAcls", version, {"creations": []})
    s.ask("a", "any", "DeleteAcls", version, {"filters": [{}]})
    s.ask("a", "two filters", "DeleteAcls", version, {"filters": [{}, {"resource_type": 2, "resource_name": "topic", "pattern_type": 3}]})
    s.ask("a", "resource type 0", "DeleteAcls", version, {"filters": [{"resource_type": 0}]})
    s.ask("a", "none", "DeleteAcls", version, {"filters": []})


def scram(s):
    def alter(what, deletions=(), upsertions=()):
        s.ask("a", what, "AlterUserScramCredentials", 0, {"deletions": list(deletions), "upsertions": list(upsertions)})

    def describe(what, *users):
        s.ask("a", what, "DescribeUserScramCredentials", 0, {"users": [{"name": user} for user in users] if users else None})

    good = {"name": "scram-user", "salt": b"salt", "salted_password": b"p" * 32}
    describe("all")
    describe("unknown user", "scram-user")
    s.ask("a", "no users", "DescribeUserScramCredentials", 0, {"users": []})
    describe("empty user", "")
    describe("one user twice", "scram-user", "scram-user")
    alter("good", upsertions=[good])
    describe("after the change", "scram-user", "scram-other")
    alter("iterations too low", upsertions=[good | {"iterations": 4095}])
    alter("iterations too high", upsertions=[good | {"iterations": 16385}])
    alter("mechanism 0", upsertions=[good | {"mechanism": 0}])
    alter("mechanism 3", upsertions=[good | {"mechanism": 3}])
    alter("empty user", upsertions=[good | {"name": ""}])
    alter("empty salt", upsertions=[good | {"salt": b""}])
    alter("empty password", upsertions=[good | {"salted_password": b""}])
    alter("one user twice", upsertions=[good, good])
    alter("one user, two mechanisms", upsertions=[good, good | {"mechanism": 2, "salted_password": b"p" * 64}])
    alter("insert and delete", deletions=[{"name": "scram-user", "mechanism": 1}], upsertions=[good])
    alter("good and bad", upsertions=[good | {"name": "scram-other"}, good | {"name": ""}])
    describe("all")
    alter("delete unknown", deletions=[{"name": "scram-unknown", "mechanism": 1}])
    credentials = [("scram-user", 1), ("scram-user", 2), ("scram-other", 1)]
    alter("delete", deletions=[{"name": name, "mechanism": mechanism} for name, mechanism in credentials])
    alter("delete again", deletions=[{"name": "scram-user", "mechanism": 1}])
    alter("nothing")
    describe("after the deletion", "scram-user")


def quotas(s, version):
    user = f"quota-user-{version}"

    def alter(what, entity, *ops, **values):
        entity = [{"entity_type": kind, "entity_name": name} for kind, name in entity]
        ops = [{"key": key, "value": value or 0, "remove": value is None} for key, value in ops]
        s.ask("a", what, "AlterClientQuotas", version, {"entries": [{"entity": entity, "ops": ops}]} | values)

    def describe(what, *components, strict=0):
        components = [{"entity_type": kind, "match_type": match, "match": name} for kind, match, name in components]
        s.ask("a", what, "DescribeClientQuotas", version, {"components": components, "strict": strict})

    describe("user, exactly", ("user", 0, user))
    alter("good", [("user", user)], ("producer_byte_rate", 1000.0), ("request_percentage", 50.5))
    alter("user and client", [("user", user), ("client-id", "client")], ("consumer_byte_rate", 2000.0))
    alter("validate only", [("user", user)], ("consumer_byte_rate", 3000.0), validate_only=1)
    describe("user, exactly", ("user", 0, user))
    describe("user, exactly, strict", ("user", 0, user), strict=1)
    describe("user and client", ("user", 0, user), ("client-id", 2, None))
    describe("default user", ("user", 1, None))
    describe("unknown entity type", ("planet", 0, "earth"))
    describe("match type 3", ("user", 3, None))
    describe("exactly null", ("user", 0, None))
    describe("one entity type twice", ("user", 0, user), ("user", 0, user))
    describe("ip, exactly", ("ip", 0, "10.0.0.1"))
    describe("user and ip", ("user", 0, user), ("ip", 0, "10.0.0.1"))
    alter("unknown key", [("user", user)], ("no_such_rate", 1.0))
    alter("negative value", [("user", user)], ("producer_byte_rate", -1.0))
    alter("value zero", [("user", user)], ("producer_byte_rate", 0.0))
    alter("a fraction of a byte", [("user", user)], ("producer_byte_rate", 1.5))
    alter("unknown entity type", [("planet", "earth")], ("producer_byte_rate", 1.0))
    alter("no entity", [], ("producer_byte_rate", 1.0))
    alter("empty user", [("user", "")], ("producer_byte_rate", 1.0))
    alter("ip that is none", [("ip", "not an address")], ("connection_creation_rate", 1.0))
    alter("a key of ip for a user", [("user", user)], ("connection_creation_rate", 1.0))
    alter("remove what is not there", [("user", user)], ("controller_mutation_rate", None))
    alter("remove", [("user", user)], ("producer_byte_rate", None), ("request_percentage", None))
    alter("remove", [("user", user), ("client-id", "client")], ("consumer_byte_rate", None))
    describe("after the removal", ("user", 0, user))
    s.ask("a", "no entries", "AlterClientQuotas", version, {"entries": []})


def quorum(s, version):
    def ask(what, name, *partitions):
        s.ask("a", what, "DescribeQuorum", version, {"topics": [{"name": name, "partitions": [{"index": index} for index in partitions]}]})

    ask("the metadata partition", "__cluster_metadata", 0)
    ask("another partition of the metadata", "__cluster_metadata", 1)
    ask("a topic", "quorum", 0)
    ask("no partitions", "__cluster_metadata")
    s.ask("a", "no topics", "DescribeQuorum", version, {"topics": []})


def features(s, version):
    def ask(what, *updates, **values):
        updates = [{"feature": name, "max_version_level": level} | extra for name, level, extra in updates]
        s.ask("a", what, "UpdateFeatures", version, {"feature_updates": updates} | values)

    ask("unknown feature", ("no.such.version", 1, {}))
    ask("the level that it has", ("transaction.version", 2, {}))
    ask("a level that is too high", ("transaction.version", 99, {}))
    ask("no features")
    ask("a level below, without permission", ("transaction.version", 1, {}))
    ask("empty name", ("", 1, {}))
    ask("one feature twice", ("transaction.version", 2, {}), ("transaction.version", 2, {}))
    if version >= 1:
        ask("validate only", ("transaction.version", 2, {}), validate_only=1)
        ask("upgrade type 0", ("transaction.version", 2, {"upgrade_type": 0}), validate_only=1)
        ask("upgrade type 9", ("transaction.version", 2, {"upgrade_type": 9}), validate_only=1)
        ask("a level below, as a safe downgrade, validate only", ("transaction.version", 1, {"upgrade_type": 2}), validate_only=1)
        ask("metadata.version too high", ("metadata.version", 999, {}), validate_only=1)


def brokers(s):
    s.ask("a", "unknown broker", "UnregisterBroker", 0, {"broker_id": 9})
    s.ask("a", "broker -1", "UnregisterBroker", 0, {"broker_id": -1})
    s.create("log-dirs")
    for version in (1, 2):
        topics = [{"name": "log-dirs", "partitions": [0]}]
        s.ask("a", "unknown path", "AlterReplicaLogDirs", version, {"dirs": [{"path": "/nowhere", "topics": topics}]})
        topics = [{"name": "absent", "partitions": [0]}]
        s.ask("a", "relative path, unknown topic", "AlterReplicaLogDirs", version, {"dirs": [{"path": "nowhere", "topics": topics}]})
        s.ask("a", "no paths", "AlterReplicaLogDirs", version, {"dirs": []})


def telemetry(s):
    s.ask("a", "no client instance id", "GetTelemetrySubscriptions", 0, {})
    s.ask("a", "a client instance id", "GetTelemetrySubscriptions", 0, {"client_instance_id": bytes(15) + b"\7"})
    s.ask("a", "unknown subscription", "PushTelemetry", 0, {"client_instance_id": bytes(15) + b"\7", "subscription_id": 7})
    s.ask("a", "no client instance id", "PushTelemetry", 0, {"subscription_id": 7})


def sasl(s):
    """SASL and delegation tokens on a listener that knows neither."""
    for version in (0, 1):
        s.ask("a", "PLAIN", "SaslHandshake", version)
        s.ask("a", "unknown mechanism", "SaslHandshake", version, {"mechanism": "TELEPATHY"})
    for version in (0, 1, 2):
        s.ask("a", "without a handshake", "SaslAuthenticate", version, {"auth_bytes": b"\0user\0password"})
    for version in (1, 2, 3):
        s.ask("a", "for oneself", "CreateDelegationToken", version)
        s.ask("a", "all", "DescribeDelegationToken", version)
    renewers = [{"principal_type": "User", "principal_name": "oracle"}]
    s.ask("a", "with a renewer", "CreateDelegationToken", 3, {"renewers": renewers, "owner_principal_type": "User", "owner_principal_name": "other"})
    s.ask("a", "no owners", "DescribeDelegationToken", 3, {"owners": []})
    for version in (1, 2):
        s.ask("a", "unknown token", "RenewDelegationToken", version, {"hmac": b"hmac", "renew_period_ms": 1})
        s.ask("a", "unknown token", "ExpireDelegationToken", version, {"hmac": b"hmac", "expiry_time_period_ms": 1})


SCENARIOS = [(f"admin: ListConfigResources v{version}", partial(list_config_resources, version=version)) for version in (0, 1)]
SCENARIOS += [("admin: properties of groups", group_configs)]
SCENARIOS += [(f"admin: ElectLeaders v{version}", partial(elect_leaders, version=version)) for version in range(3)]
SCENARIOS += [("admin: partition reassignments", reassignments)]
SCENARIOS += [(f"admin: ACLs v{version}", partial(acls, version=version)) for version in (1, 2, 3)]
SCENARIOS += [("admin: SCRAM credentials", scram)]
SCENARIOS += [(f"admin: client quotas v{version}", partial(quotas, version=version)) for version in (0, 1)]
SCENARIOS += [(f"admin: DescribeQuorum v{version}", partial(quorum, version=version)) for version in range(3)]
SCENARIOS += [(f"admin: UpdateFeatures v{version}", partial(features, version=version)) for version in range(3)]
SCENARIOS += [("admin: brokers", brokers), ("admin: telemetry", telemetry), ("admin: SASL and delegation tokens", sasl)]
