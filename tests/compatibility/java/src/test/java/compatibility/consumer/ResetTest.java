package compatibility.consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import compatibility.BrokerTest;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

/** Where a reader starts that has no offset, or one that the log has no longer or not yet. */
class ResetTest extends BrokerTest {
    @Test
    void atTheEndOnlyWhatComesFromNowOn() {
        String topic = topic(1);
        send(topic, 0, "old");
        var consumer = consumer("auto.offset.reset=latest");
        consumer.assign(places(topic, 0));
        assertEquals(1, consumer.position(new TopicPartition(topic, 0)));
        send(topic, 0, "new");
        assertEquals(List.of("new"), values(read(consumer, 1)));
    }

    @Test
    void withoutAPolicyItIsAnError() {
        var consumer = consumer("auto.offset.reset=none", "group.id=" + name("group"));
        var places = places(topic(1), 0);
        consumer.assign(places);
        var failure = assertThrows(NoOffsetForPartitionException.class, () -> consumer.poll(Duration.ofSeconds(10)));
        assertEquals(Set.copyOf(places), failure.partitions());
    }

    @Test
    void anOffsetThatTheLogDoesNotHave() {
        String topic = topic(1);
        var place = new TopicPartition(topic, 0);
        send(topic, 0, "0", "1", "2", "3");
        get(ADMIN.deleteRecords(Map.of(place, RecordsToDelete.beforeOffset(2))).all());
        for (long offset : new long[] {1, 100}) {
            var strict = consumer("auto.offset.reset=none");
            strict.assign(List.of(place));
            strict.seek(place, offset);
            var failure = assertThrows(OffsetOutOfRangeException.class, () -> read(strict, 1));
            assertEquals(Map.of(place, offset), failure.offsetOutOfRangePartitions());

            var lenient = consumer("auto.offset.reset=earliest");
            lenient.assign(List.of(place));
            lenient.seek(place, offset);
            assertEquals(List.of("2", "3"), values(read(lenient, 2)));
        }
    }
}
