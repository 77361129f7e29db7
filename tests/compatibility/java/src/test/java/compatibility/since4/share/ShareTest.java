package compatibility.since4.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import compatibility.BrokerTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;

/** What tests of share groups start from: groups that begin with the oldest record, and members of them. */
abstract class ShareTest extends BrokerTest {
    /** A new group; settings are written {@code name=value}, without {@code share.} in front. */
    protected static String group(String... settings) {
        String group = name("share");
        List<AlterConfigOp> changes = new ArrayList<>(List.of(set("auto.offset.reset=earliest")));
        for (String setting : settings) {
            changes.add(set(setting));
        }
        get(ADMIN.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, group), changes)).all());
        return group;
    }

    private static AlterConfigOp set(String setting) {
        String[] parts = setting.split("=", 2);
        return new AlterConfigOp(new ConfigEntry("share." + parts[0], parts[1]), AlterConfigOp.OpType.SET);
    }

    /** A member that acknowledges explicitly, unless the settings say otherwise. */
    protected KafkaShareConsumer<String, String> member(String group, String topic, String... settings) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", BROKER, "group.id", group, "share.acknowledgement.mode", "explicit"));
        for (String setting : settings) {
            String[] parts = setting.split("=", 2);
            all.put(parts[0], parts[1]);
        }
        var member = opened(new KafkaShareConsumer<>(all, new StringDeserializer(), new StringDeserializer()));
        member.subscribe(List.of(topic));
        return member;
    }

    /** The records of the first poll that gives any. */
    protected static List<ConsumerRecord<String, String>> some(KafkaShareConsumer<String, String> member) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            var records = poll(member);
            if (!records.isEmpty()) {
                return records;
            }
            if (System.nanoTime() > deadline) {
                fail("no record came");
            }
        }
    }

    protected static List<ConsumerRecord<String, String>> poll(KafkaShareConsumer<String, String> member) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        member.poll(Duration.ofMillis(200)).forEach(records::add);
        return records;
    }

    /** Acknowledges all of them in one way, and commits: the broker must agree. */
    protected static void acknowledge(
        KafkaShareConsumer<String, String> member, Collection<ConsumerRecord<String, String>> records, AcknowledgeType type) {
        records.forEach(record -> member.acknowledge(record, type));
        assertEquals(List.of(Optional.empty()), commit(member));
    }

    /** Commits; for each partition nothing, or what was wrong. */
    protected static List<Optional<KafkaException>> commit(KafkaShareConsumer<String, String> member) {
        Map<TopicIdPartition, Optional<KafkaException>> results = member.commitSync(PATIENCE);
        return List.copyOf(results.values());
    }

    /** Values with how often each was delivered, as {@code value/count}. */
    protected static List<String> counted(Collection<ConsumerRecord<String, String>> records) {
        return records.stream().map(record -> record.value() + "/" + record.deliveryCount().orElseThrow()).toList();
    }

    /** What the member gets next is a new record: no older one is left. */
    protected void nothingIsLeft(KafkaShareConsumer<String, String> member, String topic) {
        send(topic, 0, "marker");
        assertEquals(List.of("marker"), values(some(member)));
    }
}
