"""Encodes requests of the Kafka protocol, good and bad ones, with the standard library alone.

`SCHEMAS` lists the fields of every request; `Request` turns a dictionary into bytes of one version. A field that the
dictionary lacks takes its default, one that the version lacks is left out, and None is null even where the protocol
forbids it. `batch`, `record` and `old_message` build the records of Produce; most of their arguments exist to lie.
"""

import gzip
import struct
import zlib
from collections import namedtuple

# Name, key and first flexible version of each request; then field, type, versions and default, children indented.
SCHEMAS = """
Produce 0 9
  transactional_id string =null
  acks int16 =-1
  timeout_ms int32 =5000
  topics []
    name string 0-12
    topic_id uuid 13+
    partitions []
      index int32
      records bytes
Fetch 1 12
  replica_id int32 0-14 =-1
  max_wait_ms int32
  min_bytes int32 =1
  max_bytes int32 =1000000
  isolation_level int8
  session_id int32 7+
  session_epoch int32 7+ =-1
  topics []
    name string 0-12
    topic_id uuid 13+
    partitions []
      index int32
      current_leader_epoch int32 9+ =-1
      offset int64
      last_fetched_epoch int32 12+ =-1
      log_start_offset int64 5+ =-1
      max_bytes int32 =1000000
  forgotten []
    name string 7-12
    topic_id uuid 13+
    partitions int32[] 7+
  rack_id string 11+
ListOffsets 2 6
  replica_id int32 =-1
  isolation_level int8 2+
  topics []
    name string
    partitions []
      index int32
      current_leader_epoch int32 4+ =-1
      timestamp int64 =-1
  timeout_ms int32 10+ =5000
Metadata 3 9
  topics []
    topic_id uuid 10+
    name string
  allow_auto_topic_creation bool 4+
  include_cluster_authorized_operations bool 8-10
  include_topic_authorized_operations bool 8+
OffsetCommit 8 8
  group_id string
  generation_id int32 =-1
  member_id string
  group_instance_id string 7+ =null
  retention_time_ms int64 2-4 =-1
  topics []
    name string 0-9
    topic_id uuid 10+
    partitions []
      index int32
      offset int64
      leader_epoch int32 6+ =-1
      metadata string
OffsetFetch 9 6
  group_id string 0-7
  topics [] 0-7
    name string
    partitions int32[]
  groups [] 8+
    group_id string
    member_id string 9+ =null
    member_epoch int32 9+ =-1
    topics []
      name string 8-9
      topic_id uuid 10+
      partitions int32[]
  require_stable bool 7+
FindCoordinator 10 3
  key string 0-3
  key_type int8 1+
  keys string[] 4+
JoinGroup 11 6
  group_id string
  session_timeout_ms int32 =10000
  rebalance_timeout_ms int32 1+ =10000
  member_id string
  group_instance_id string 5+ =null
  protocol_type string =consumer
  protocols []
    name string
    metadata bytes
  reason string 8+ =null
Heartbeat 12 4
  group_id string
  generation_id int32
  member_id string
  group_instance_id string 3+ =null
LeaveGroup 13 4
  group_id string
  member_id string 0-2
  members [] 3+
    member_id string
    group_instance_id string =null
    reason string 5+ =null
SyncGroup 14 4
  group_id string
  generation_id int32
  member_id string
  group_instance_id string 3+ =null
  protocol_type string 5+ =null
  protocol_name string 5+ =null
  assignments []
    member_id string
    assignment bytes
DescribeGroups 15 5
  groups string[]
  include_authorized_operations bool 3+
ListGroups 16 3
  states_filter string[] 4+
  types_filter string[] 5+
SaslHandshake 17 9
  mechanism string =PLAIN
ApiVersions 18 3
  software_name string 3+ =oracle
  software_version string 3+ =1.0
CreateTopics 19 5
  topics []
    name string
    num_partitions int32 =1
    replication_factor int16 =1
    assignments []
      index int32
      brokers int32[]
    configs []
      name string
      value string
  timeout_ms int32 =5000
  validate_only bool
DeleteTopics 20 4
  topics [] 6+
    name string =null
    topic_id uuid
  names string[] 0-5
  timeout_ms int32 =5000
DeleteRecords 21 2
  topics []
    name string
    partitions []
      index int32
      offset int64
  timeout_ms int32 =5000
InitProducerId 22 2
  transactional_id string =null
  transaction_timeout_ms int32 =60000
  producer_id int64 3+ =-1
  producer_epoch int16 3+ =-1
  enable_2pc bool 6+
  keep_prepared_txn bool 6+
OffsetForLeaderEpoch 23 4
  replica_id int32 3+ =-2
  topics []
    name string
    partitions []
      index int32
      current_leader_epoch int32 =-1
      leader_epoch int32
AddPartitionsToTxn 24 3
  transactions [] 4+
    transactional_id string
    producer_id int64
    producer_epoch int16
    verify_only bool
    topics []
      name string
      partitions int32[]
  transactional_id string 0-3
  producer_id int64 0-3
  producer_epoch int16 0-3
  topics [] 0-3
    name string
    partitions int32[]
AddOffsetsToTxn 25 3
  transactional_id string
  producer_id int64
  producer_epoch int16
  group_id string
EndTxn 26 3
  transactional_id string
  producer_id int64
  producer_epoch int16
  committed bool
WriteTxnMarkers 27 1
  markers []
    producer_id int64
    producer_epoch int16
    committed bool
    topics []
      name string
      partitions int32[]
    coordinator_epoch int32
    transaction_version int8 2+
TxnOffsetCommit 28 3
  transactional_id string
  group_id string
  producer_id int64
  producer_epoch int16
  generation_id int32 3+ =-1
  member_id string 3+
  group_instance_id string 3+ =null
  topics []
    name string
    partitions []
      index int32
      offset int64
      leader_epoch int32 2+ =-1
      metadata string
DescribeAcls 29 2
  resource_type int8 =1
  resource_name string =null
  pattern_type int8 =1
  principal string =null
  host string =null
  operation int8 =1
  permission_type int8 =1
CreateAcls 30 2
  creations []
    resource_type int8 =2
    resource_name string
    pattern_type int8 =3
    principal string =User:oracle
    host string =*
    operation int8 =3
    permission_type int8 =3
DeleteAcls 31 2
  filters []
    resource_type int8 =1
    resource_name string =null
    pattern_type int8 =1
    principal string =null
    host string =null
    operation int8 =1
    permission_type int8 =1
DescribeConfigs 32 4
  resources []
    type int8 =2
    name string
    keys string[] =null
  include_synonyms bool
  include_documentation bool 3+
AlterConfigs 33 2
  resources []
    type int8 =2
    name string
    configs []
      name string
      value string
  validate_only bool
AlterReplicaLogDirs 34 2
  dirs []
    path string
    topics []
      name string
      partitions int32[]
DescribeLogDirs 35 2
  topics [] =null
    name string
    partitions int32[]
SaslAuthenticate 36 2
  auth_bytes bytes
CreatePartitions 37 2
  topics []
    name string
    count int32
    assignments [] =null
      brokers int32[]
  timeout_ms int32 =5000
  validate_only bool
CreateDelegationToken 38 2
  owner_principal_type string 3+ =null
  owner_principal_name string 3+ =null
  renewers []
    principal_type string
    principal_name string
  max_lifetime_ms int64 =-1
RenewDelegationToken 39 2
  hmac bytes
  renew_period_ms int64
ExpireDelegationToken 40 2
  hmac bytes
  expiry_time_period_ms int64
DescribeDelegationToken 41 2
  owners [] =null
    principal_type string
    principal_name string
DeleteGroups 42 2
  groups string[]
ElectLeaders 43 2
  election_type int8 1+
  topics [] =null
    name string
    partitions int32[]
  timeout_ms int32 =5000
IncrementalAlterConfigs 44 1
  resources []
    type int8 =2
    name string
    configs []
      name string
      operation int8
      value string =null
  validate_only bool
AlterPartitionReassignments 45 0
  timeout_ms int32 =5000
  allow_replication_factor_change bool 1+ =1
  topics []
    name string
    partitions []
      index int32
      replicas int32[] =null
ListPartitionReassignments 46 0
  timeout_ms int32 =5000
  topics [] =null
    name string
    partitions int32[]
OffsetDelete 47 9
  group_id string
  topics []
    name string
    partitions []
      index int32
DescribeClientQuotas 48 1
  components []
    entity_type string
    match_type int8
    match string =null
  strict bool
AlterClientQuotas 49 1
  entries []
    entity []
      entity_type string
      entity_name string
    ops []
      key string
      value float64
      remove bool
  validate_only bool
DescribeUserScramCredentials 50 0
  users [] =null
    name string
AlterUserScramCredentials 51 0
  deletions []
    name string
    mechanism int8
  upsertions []
    name string
    mechanism int8 =1
    iterations int32 =4096
    salt bytes
    salted_password bytes
DescribeQuorum 55 0
  topics []
    name string
    partitions []
      index int32
UpdateFeatures 57 0
  timeout_ms int32 =5000
  feature_updates []
    feature string
    max_version_level int16
    allow_downgrade bool 0-0
    upgrade_type int8 1+ =1
  validate_only bool 1+
DescribeCluster 60 0
  include_cluster_authorized_operations bool
  endpoint_type int8 1+ =1
  include_fenced_brokers bool 2+
DescribeProducers 61 0
  topics []
    name string
    partitions int32[]
UnregisterBroker 64 0
  broker_id int32
DescribeTransactions 65 0
  transactional_ids string[]
ListTransactions 66 0
  state_filters string[]
  producer_id_filters int64[]
  duration_filter int64 1+ =-1
  transactional_id_pattern string 2+ =null
ConsumerGroupHeartbeat 68 0
  group_id string
  member_id string
  member_epoch int32
  instance_id string =null
  rack_id string =null
  rebalance_timeout_ms int32 =-1
  subscribed_topic_names string[] =null
  subscribed_topic_regex string 1+ =null
  server_assignor string =null
  topic_partitions [] =null
    topic_id uuid
    partitions int32[]
ConsumerGroupDescribe 69 0
  group_ids string[]
  include_authorized_operations bool
GetTelemetrySubscriptions 71 0
  client_instance_id uuid
PushTelemetry 72 0
  client_instance_id uuid
  subscription_id int32
  terminating bool
  compression_type int8
  metrics bytes
ListConfigResources 74 0
  resource_types int8[] 1+
DescribeTopicPartitions 75 0
  topics []
    name string
  response_partition_limit int32 =2000
  cursor struct? =null
    name string
    index int32
"""

Schema = namedtuple("Schema", "key flexible fields")
Field = namedtuple("Field", "name type first last default children")
Bound = namedtuple("Bound", "name")  # a value that an earlier answer gave, such as "topic_id:plain"
BoundBatch = namedtuple("BoundBatch", "producer_id make")  # a batch that `make` builds for a bound producer id

NUMBERS = {"bool": ">?", "int8": ">b", "int16": ">h", "int32": ">i", "int64": ">q", "float64": ">d"}
EVERY_VERSION = 1 << 15


def parse_schemas(text):
    schemas, levels = {}, []
    for line in text.strip().splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, *words = line.split()
        if depth == 0:
            fields = []
            schemas[name] = Schema(int(words[0]), int(words[1]), fields)
        else:
            field = parse_field(name, *words)
            levels[depth - 1].append(field)
            fields = field.children
        levels[depth:] = [fields]
    return schemas


def parse_field(name, type, *words):
    first, last, default = 0, EVERY_VERSION, zero_value(type)
    for word in words:
        if word.startswith("="):
            text = word[1:]
            default = None if text == "null" else int(text) if type in NUMBERS else text
        elif word.endswith("+"):
            first = int(word[:-1])
        else:
            first, last = map(int, word.split("-"))
    return Field(name, type, first, last, default, [])


def zero_value(type):
    return [] if type.endswith("[]") else {"uuid": bytes(16), "string": "", "bytes": b""}.get(type, 0)


REQUESTS = parse_schemas(SCHEMAS)


class Request:
    """One request as bytes.

    `uses` says at which offsets the values of `bound` stand in it, `batches` where a batch begins that contains one.
    """

    def __init__(self, api, version, values, correlation_id, bound, header_tags=None, client_id="oracle"):
        schema = REQUESTS[api]
        self.version, self.flexible, self.bound = version, False, bound
        self.bytes, self.uses, self.batches = bytearray(), {}, []
        self.bytes += struct.pack(">hhi", schema.key, version, correlation_id)
        self.write("string", client_id)
        self.flexible = version >= schema.flexible
        self.tags(header_tags)
        self.body_start = len(self.bytes)
        self.struct(schema.fields, values)

    def struct(self, fields, values):
        unknown = values.keys() - {field.name for field in fields} - {"tags"}
        assert not unknown, f"no such fields: {unknown}"
        for field in fields:
            if field.first <= self.version <= field.last:
                self.write(field.type, values.get(field.name, field.default), field.children)
        self.tags(values.get("tags"))

    def tags(self, tags):
        if self.flexible:
            tags = tags or {}
            self.bytes += uvarint(len(tags))
            for tag, value in tags.items():
                self.bytes += uvarint(tag) + uvarint(len(value)) + value

    def write(self, type, value, children=()):
        if isinstance(value, Bound):
            content = self.bound[value.name]
            if type in ("string", "bytes"):
                self.length(content, ">h" if type == "string" else ">i")
            self.uses.setdefault(value.name, []).append(len(self.bytes))
            self.bytes += content
        elif isinstance(value, BoundBatch):
            content = value.make(int.from_bytes(self.bound[value.producer_id]))
            self.length(content, ">i")
            self.batches.append(len(self.bytes))
            self.uses.setdefault(value.producer_id, []).append(len(self.bytes) + PRODUCER_ID_AT)
            self.bytes += content
        elif type in NUMBERS:
            self.bytes += struct.pack(NUMBERS[type], value)
        elif type == "uuid":
            self.bytes += value
        elif type == "struct?":
            self.bytes += b"\xff" if value is None else b"\x01"
            if value is not None:
                self.struct(children, value)
        elif type in ("string", "bytes"):
            encoded = value.encode() if isinstance(value, str) else value
            self.length(encoded, ">h" if type == "string" else ">i")
            self.bytes += encoded or b""
        else:
            self.length(value, ">i")
            for element in value or ():
                if children:
                    self.struct(children, element)
                else:
                    self.write(type.removesuffix("[]"), element)

    def length(self, value, fixed):
        length = -1 if value is None else len(value)
        self.bytes += uvarint(length + 1) if self.flexible else struct.pack(fixed, length)


def uvarint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(value):
    return uvarint(value << 1 if value >= 0 else (-value << 1) - 1)


def varint_bytes(value):
    return varint(-1) if value is None else varint(len(value)) + value


def record(key=b"k", value=b"v", delta=0, time_delta=0, headers=(), length=None, header_count=None):
    body = b"\0" + varint(time_delta) + varint(delta) + varint_bytes(key) + varint_bytes(value)
    body += varint(len(headers) if header_count is None else header_count)
    for name, content in headers:
        body += varint_bytes(name) + varint_bytes(content)
    return varint(len(body) if length is None else length) + body


def records(count, value=b"v"):
    return b"".join(record(b"k%d" % delta, value, delta, delta) for delta in range(count))


PRODUCER_ID_AT = 43  # in a batch
TIME = 1_768_435_200_000  # 2026-01-15T00:00:00Z
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL, DELETE_HORIZON = 8, 16, 32, 64


def batch(
    content, count=1, attributes=0, producer=(-1, -1, -1), base_offset=0, last_delta=None, time=TIME, max_time=None,
    leader_epoch=-1, magic=2, crc=None, length=None,
):
    """A record batch; `producer` is id, epoch and first sequence."""
    after_crc = struct.pack(
        ">hiqqqhii",
        attributes, count - 1 if last_delta is None else last_delta, time, time + count - 1 if max_time is None else max_time,
        *producer, count,
    ) + content
    crc = crc32c(after_crc) if crc is None else crc
    rest = struct.pack(">ibI", leader_epoch, magic, crc) + after_crc
    return struct.pack(">qi", base_offset, len(rest) if length is None else length) + rest


def old_message(magic, key=b"k", value=b"v"):
    """A message of format 0 or 1, before record batches."""
    body = struct.pack(">bb", magic, 0) + (struct.pack(">q", TIME) if magic else b"")
    body += struct.pack(">i", len(key)) + key + struct.pack(">i", len(value)) + value
    body = struct.pack(">I", zlib.crc32(body)) + body
    return struct.pack(">qi", 0, len(body)) + body


def compress(codec, content):
    """Frames that need no compressor, except for gzip: every block is stored as it is; below 256 bytes."""
    assert len(content) < 256
    if codec == GZIP:
        return gzip.compress(content, mtime=0)
    if codec == SNAPPY:
        block = uvarint(len(content)) + bytes([60 << 2, len(content) - 1]) + content
        return b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, len(block)) + block
    if codec == LZ4:
        return bytes.fromhex("04224d18604082") + struct.pack("<I", len(content) | 1 << 31) + content + bytes(4)
    header = bytes.fromhex("28b52ffd20") + bytes([len(content)])
    return header + struct.pack("<I", len(content) << 3 | 1)[:3] + content


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def crc_table():
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        yield value


CRC_TABLE = list(crc_table())
