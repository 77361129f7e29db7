package compatibility.admin;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What Kafka has and Millstream has not: it says so at once, and no client waits for it. */
@Tag("millstream")
class NotServedTest extends BrokerTest {
    @Test
    void quotas() {
        refused(UnsupportedVersionException.class, ADMIN.describeClientQuotas(ClientQuotaFilter.all()).entities());
    }

    @Test
    void aQuorumOfControllers() {
        refused(UnsupportedVersionException.class, ADMIN.describeMetadataQuorum().quorumInfo());
    }

    @Test
    void otherFeatureLevels() {
        var update = new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE);
        refused(UnsupportedVersionException.class, ADMIN.updateFeatures(Map.of("transaction.version", update), new UpdateFeaturesOptions()).all());
    }

    @Test
    void delegationTokens() {
        refused(UnsupportedVersionException.class, ADMIN.describeDelegationToken().delegationTokens());
    }

    @Test
    void passwords() {
        refused(SecurityDisabledException.class, ADMIN.describeUserScramCredentials().all());
    }

    @Test
    void changesOfTheBrokerWhileItRuns() {
        String node = get(ADMIN.describeCluster().nodes()).iterator().next().idString();
        for (String id : List.of(node, "")) {
            var resource = new ConfigResource(ConfigResource.Type.BROKER, id);
            var op = new AlterConfigOp(new ConfigEntry("message.max.bytes", "1000"), AlterConfigOp.OpType.SET);
            refused(InvalidRequestException.class, ADMIN.incrementalAlterConfigs(Map.of(resource, List.of(op))).all());
        }
    }

    @Test
    void metricsOfClients() {
        var resource = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "name");
        refused(InvalidRequestException.class, ADMIN.describeConfigs(List.of(resource)).all());
    }
}
