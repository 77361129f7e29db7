package compatibility.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.Test;

/** Properties of a topic are set, appended to, subtracted from and unset, and each says where its value comes from. */
class ConfigsTest extends BrokerTest {
    @Test
    void setAndUnset() {
        String topic = topic(1);
        assertEntry("604800000", ConfigSource.DEFAULT_CONFIG, topic, "retention.ms");
        get(alter(topic, "retention.ms", "1000", OpType.SET));
        assertEntry("1000", ConfigSource.DYNAMIC_TOPIC_CONFIG, topic, "retention.ms");
        get(alter(topic, "retention.ms", "", OpType.DELETE));
        assertEntry("604800000", ConfigSource.DEFAULT_CONFIG, topic, "retention.ms");
    }

    @Test
    void appendedToAndSubtractedFrom() {
        String topic = topic(1, "cleanup.policy=delete");
        get(alter(topic, "cleanup.policy", "compact", OpType.APPEND));
        assertEquals(List.of("compact", "delete"), Arrays.stream(entry(topic, "cleanup.policy").value().split(",")).sorted().toList());
        get(alter(topic, "cleanup.policy", "delete", OpType.SUBTRACT));
        assertEntry("compact", ConfigSource.DYNAMIC_TOPIC_CONFIG, topic, "cleanup.policy");
    }

    @Test
    void whatCannotBeSet() {
        String topic = topic(1);
        refused(InvalidConfigurationException.class, alter(topic, "retention.ms", "soon", OpType.SET));
        refused(InvalidConfigurationException.class, alter(topic, "no.such.property", "1", OpType.SET));
        refused(InvalidConfigurationException.class, alter(topic, "retention.ms", "1", OpType.APPEND));
        refused(UnknownTopicOrPartitionException.class, alter(name("none"), "retention.ms", "1", OpType.SET));
        assertEntry("604800000", ConfigSource.DEFAULT_CONFIG, topic, "retention.ms");
    }

    @Test
    void validateOnlyChangesNothing() {
        String topic = topic(1);
        var options = new AlterConfigsOptions().validateOnly(true);
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        get(ADMIN.incrementalAlterConfigs(Map.of(resource, List.of(op("retention.ms", "1000", OpType.SET))), options).all());
        refused(InvalidConfigurationException.class,
            ADMIN.incrementalAlterConfigs(Map.of(resource, List.of(op("retention.ms", "soon", OpType.SET))), options).all());
        assertEntry("604800000", ConfigSource.DEFAULT_CONFIG, topic, "retention.ms");
    }

    @Test
    void synonymsAndDocumentationOnRequest() {
        String topic = topic(1, "max.message.bytes=2000");
        var options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        ConfigEntry entry = get(ADMIN.describeConfigs(List.of(resource), options).all()).get(resource).get("max.message.bytes");
        assertEquals(ConfigEntry.ConfigType.INT, entry.type());
        assertNotNull(entry.documentation());
        assertFalse(entry.documentation().isBlank());
        assertEquals(List.of("max.message.bytes=2000", "message.max.bytes=1048588"),
            entry.synonyms().stream().map(synonym -> synonym.name() + "=" + synonym.value()).toList());
    }

    @Test
    void theBrokersOwn() {
        String id = get(ADMIN.describeCluster().nodes()).iterator().next().idString();
        var resource = new ConfigResource(ConfigResource.Type.BROKER, id);
        Config config = get(ADMIN.describeConfigs(List.of(resource)).all()).get(resource);
        assertEquals("1048588", config.get("message.max.bytes").value());
        assertTrue(config.get("message.max.bytes").isDefault());
    }

    private static void assertEntry(String value, ConfigSource source, String topic, String property) {
        ConfigEntry entry = entry(topic, property);
        assertEquals(value + " " + source, entry.value() + " " + entry.source());
    }

    private static ConfigEntry entry(String topic, String property) {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return get(ADMIN.describeConfigs(List.of(resource)).all()).get(resource).get(property);
    }

    private static KafkaFuture<Void> alter(String topic, String property, String value, OpType type) {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return ADMIN.incrementalAlterConfigs(Map.of(resource, List.of(op(property, value, type)))).all();
    }

    private static AlterConfigOp op(String property, String value, OpType type) {
        return new AlterConfigOp(new ConfigEntry(property, value), type);
    }
}
