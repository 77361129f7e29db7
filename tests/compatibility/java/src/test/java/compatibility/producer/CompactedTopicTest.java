package compatibility.producer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.InvalidRecordException;
import org.junit.jupiter.api.Test;

/** A compacted topic wants a key of every record and keeps the newest of each; offsets stay. */
class CompactedTopicTest extends BrokerTest {
    private static final String[] SETTINGS = {
        "cleanup.policy=compact", "segment.ms=100", "min.cleanable.dirty.ratio=0.01", "delete.retention.ms=0",
    };

    @Test
    void aRecordWithoutAKeyIsRefused() {
        String topic = topic(1, SETTINGS);
        refused(InvalidRecordException.class, producer().send(new ProducerRecord<>(topic, "value")));
    }

    @Test
    void theNewestRecordOfEveryKeyStays() throws Exception {
        String topic = topic(1, SETTINGS);
        var producer = producer();
        for (String pair : List.of("a=1", "b=1", "a=2", "c=1", "b=2")) {
            String[] parts = pair.split("=");
            get(producer.send(new ProducerRecord<>(topic, parts[0], parts[1])));
        }
        Thread.sleep(200); // the segment is old enough to end with the next record
        get(producer.send(new ProducerRecord<>(topic, "d", "1")));
        eventually(() -> log(topic, 0, "read_uncommitted").stream().map(record -> record.offset() + record.key() + record.value()).toList(),
            List.of("2a2", "3c1", "4b2", "5d1")::equals);
    }

    @Test
    void aKeyWithANullValueIsRemovedInTheEnd() throws Exception {
        String topic = topic(1, SETTINGS);
        var producer = producer();
        get(producer.send(new ProducerRecord<>(topic, "a", "1")));
        get(producer.send(new ProducerRecord<>(topic, "b", "1")));
        get(producer.send(new ProducerRecord<>(topic, "a", null)));
        // Each record ends a segment, so that the compactor looks at the log again: the first time it dates the deletion.
        eventually(() -> {
            Thread.sleep(150);
            get(producer.send(new ProducerRecord<>(topic, "end", "x")));
            return log(topic, 0, "read_uncommitted").stream().map(record -> record.key()).distinct().toList();
        }, Arrays.asList("b", "end")::equals);
        assertEquals("1", log(topic, 0, "read_uncommitted").get(0).value());
    }
}
