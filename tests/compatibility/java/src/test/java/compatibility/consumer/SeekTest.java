package compatibility.consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

/** A reader goes where it wants to in the log, forward and back, and the position is where it will read next. */
class SeekTest extends BrokerTest {
    @Test
    void forwardBackAndToBothEnds() {
        String topic = topic(1);
        var place = new TopicPartition(topic, 0);
        send(topic, 0, "0", "1", "2", "3", "4");
        var consumer = consumer("max.poll.records=1");
        consumer.assign(List.of(place));

        consumer.seek(place, 3);
        assertEquals(List.of("3"), values(read(consumer, 1)));
        assertEquals(4, consumer.position(place));
        consumer.seek(place, 1);
        assertEquals(List.of("1", "2"), values(read(consumer, 2)));
        consumer.seekToBeginning(List.of(place));
        assertEquals(0, consumer.position(place));
        assertEquals(List.of("0"), values(read(consumer, 1)));
        consumer.seekToEnd(List.of(place));
        assertEquals(5, consumer.position(place));
        send(topic, 0, "5");
        assertEquals(List.of("5"), values(read(consumer, 1)));
    }

    @Test
    void beginningAndEndAreThoseOfTheLog() {
        String topic = topic(2);
        send(topic, 1, "0", "1", "2");
        var consumer = consumer();
        var first = new TopicPartition(topic, 0);
        var second = new TopicPartition(topic, 1);
        assertEquals(Map.of(first, 0L, second, 0L), consumer.beginningOffsets(List.of(first, second)));
        assertEquals(Map.of(first, 0L, second, 3L), consumer.endOffsets(List.of(first, second)));
        get(ADMIN.deleteRecords(Map.of(second, RecordsToDelete.beforeOffset(2))).all());
        assertEquals(Map.of(first, 0L, second, 2L), consumer.beginningOffsets(List.of(first, second)));
        assertEquals(Map.of(first, 0L, second, 3L), consumer.endOffsets(List.of(first, second)));
    }
}
