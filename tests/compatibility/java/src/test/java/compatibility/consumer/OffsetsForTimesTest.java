package compatibility.consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

/** For a time the first record that is not older, also within a batch; nothing when all are older. */
class OffsetsForTimesTest extends BrokerTest {
    @Test
    void theFirstRecordThatIsNotOlder() {
        String topic = topic(1);
        var place = new TopicPartition(topic, 0);
        long start = System.currentTimeMillis() - 100_000;
        try (var producer = producer("linger.ms=100")) { // all in one batch
            for (int number = 0; number < 10; number++) {
                producer.send(new ProducerRecord<>(topic, 0, start + number * 1000, null, "x"));
            }
        }
        var consumer = consumer();
        long[][] expected = {{start - 1, 0}, {start, 0}, {start + 1, 1}, {start + 5000, 5}, {start + 5001, 6}, {start + 9000, 9}};
        for (long[] pair : expected) {
            var found = consumer.offsetsForTimes(Map.of(place, pair[0])).get(place);
            assertEquals(pair[1], found.offset());
            assertEquals(start + pair[1] * 1000, found.timestamp());
        }
        assertNull(consumer.offsetsForTimes(Map.of(place, start + 9001)).get(place));
    }

    @Test
    void anEmptyPartitionHasNone() {
        var place = new TopicPartition(topic(1), 0);
        assertNull(consumer().offsetsForTimes(Map.of(place, 0L)).get(place));
        assertEquals(List.of(0L), List.copyOf(consumer().endOffsets(List.of(place)).values()));
    }
}
