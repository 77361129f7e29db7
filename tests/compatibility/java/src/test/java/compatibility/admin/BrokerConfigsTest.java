package compatibility.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.junit.jupiter.api.Test;

/** Properties of the broker that change while it runs (KIP-226): of one broker, or of all that say nothing else. */
class BrokerConfigsTest extends BrokerTest {
    /** No other test depends on it. */
    private static final String PROPERTY = "log.index.interval.bytes";
    private static final String THIS = get(ADMIN.describeCluster().nodes()).iterator().next().idString();
    private static final String ALL = "";

    @Test
    void whatIsSetForThisBrokerHidesWhatIsSetForAll() {
        assertEntry("4096", ConfigSource.DEFAULT_CONFIG);
        get(alter(ALL, PROPERTY, "5000", OpType.SET));
        becomes("5000", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG);
        get(alter(THIS, PROPERTY, "6000", OpType.SET));
        becomes("6000", ConfigSource.DYNAMIC_BROKER_CONFIG);
        String topic = topic(1);
        var entry = described(new ConfigResource(ConfigResource.Type.TOPIC, topic), "index.interval.bytes");
        assertEquals("6000 " + ConfigSource.DYNAMIC_BROKER_CONFIG, entry.value() + " " + entry.source());
        get(alter(THIS, PROPERTY, "", OpType.DELETE));
        becomes("5000", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG);
        get(alter(ALL, PROPERTY, "", OpType.DELETE));
        becomes("4096", ConfigSource.DEFAULT_CONFIG);
    }

    @Test
    void whatCannotBeSet() {
        refused(InvalidRequestException.class, alter(THIS, "log.retention.ms", "soon", OpType.SET));
        refused(InvalidRequestException.class, alter(THIS, "node.id", "7", OpType.SET));
        assertEquals(THIS, described(broker(THIS), "node.id").value());
    }

    @Test
    void validateOnlyChangesNothing() {
        var op = new AlterConfigOp(new ConfigEntry("log.segment.delete.delay.ms", "1000"), OpType.SET);
        get(ADMIN.incrementalAlterConfigs(Map.of(broker(THIS), List.of(op)), new AlterConfigsOptions().validateOnly(true)).all());
        assertEquals("60000", described(broker(THIS), "log.segment.delete.delay.ms").value());
    }

    private static ConfigResource broker(String id) {
        return new ConfigResource(ConfigResource.Type.BROKER, id);
    }

    private static KafkaFuture<Void> alter(String id, String property, String value, OpType type) {
        return ADMIN.incrementalAlterConfigs(Map.of(broker(id), List.of(new AlterConfigOp(new ConfigEntry(property, value), type)))).all();
    }

    /** Kafka's brokers hear of a change a moment after it was answered. */
    private static void becomes(String value, ConfigSource source) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!(value + source).equals(text()) && System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
        assertEntry(value, source);
    }

    private static String text() {
        ConfigEntry entry = described(broker(THIS), PROPERTY);
        return entry.value() + entry.source();
    }

    private static void assertEntry(String value, ConfigSource source) {
        assertEquals(value + source, text());
    }

    private static ConfigEntry described(ConfigResource resource, String property) {
        return get(ADMIN.describeConfigs(List.of(resource)).all()).get(resource).get(property);
    }
}
