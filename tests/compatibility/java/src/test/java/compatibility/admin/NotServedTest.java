package compatibility.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What Kafka has and Millstream has not: it says so at once, and no client waits for it. */
@Tag("millstream")
class NotServedTest extends BrokerTest {
    @Test
    void quotas() {
        var someone = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, name("client")));
        var op = new ClientQuotaAlteration.Op("producer_byte_rate", 1e6);
        refused(UnsupportedVersionException.class, ADMIN.alterClientQuotas(List.of(new ClientQuotaAlteration(someone, List.of(op)))).all());
        assertEquals(Map.of(), get(ADMIN.describeClientQuotas(ClientQuotaFilter.all()).entities()));
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
    void metricsOfClients() {
        var resource = new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "name");
        refused(InvalidRequestException.class, ADMIN.describeConfigs(List.of(resource)).all());
    }
}
