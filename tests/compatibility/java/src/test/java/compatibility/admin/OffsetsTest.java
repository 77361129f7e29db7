package compatibility.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.DeleteRecordsOptions;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TimeoutException;
import org.junit.jupiter.api.Test;

/** Offsets by every kind of question, and records that are deleted from the front. */
class OffsetsTest extends BrokerTest {
    @Test
    void everyKindOfQuestion() {
        String topic = topic(1);
        long start = System.currentTimeMillis() - 10_000;
        try (var producer = producer()) {
            for (long time : new long[] {start, start + 2000, start + 1000}) {
                get(producer.send(new ProducerRecord<>(topic, 0, time, null, "x")));
            }
        }
        assertEquals(0, ask(topic, OffsetSpec.earliest()).offset());
        assertEquals(3, ask(topic, OffsetSpec.latest()).offset());
        assertEquals(1, ask(topic, OffsetSpec.forTimestamp(start + 500)).offset());
        assertEquals(start + 2000, ask(topic, OffsetSpec.forTimestamp(start + 500)).timestamp());
        assertEquals(-1, ask(topic, OffsetSpec.forTimestamp(start + 2001)).offset());
        assertEquals(1, ask(topic, OffsetSpec.maxTimestamp()).offset());
        assertEquals(start + 2000, ask(topic, OffsetSpec.maxTimestamp()).timestamp());
        assertEquals(0, ask(topic, OffsetSpec.earliestLocal()).offset());
        assertEquals(-1, ask(topic, OffsetSpec.latestTiered()).offset());
        assertEquals(-1, ask(topic(1), OffsetSpec.maxTimestamp()).offset());
    }

    @Test
    void recordsAreDeletedFromTheFront() {
        String topic = topic(1);
        var place = new TopicPartition(topic, 0);
        send(topic, 0, "0", "1", "2", "3");
        assertEquals(2, get(ADMIN.deleteRecords(Map.of(place, RecordsToDelete.beforeOffset(2))).lowWatermarks().get(place)).lowWatermark());
        assertEquals(2, ask(topic, OffsetSpec.earliest()).offset());
        assertEquals(List.of("2", "3"), uncommitted(topic));
        refused(OffsetOutOfRangeException.class, ADMIN.deleteRecords(Map.of(place, RecordsToDelete.beforeOffset(5))).all());
        assertEquals(2, get(ADMIN.deleteRecords(Map.of(place, RecordsToDelete.beforeOffset(1))).lowWatermarks().get(place)).lowWatermark());
        assertEquals(4, get(ADMIN.deleteRecords(Map.of(place, RecordsToDelete.beforeOffset(-1))).lowWatermarks().get(place)).lowWatermark());
        assertEquals(List.of(), uncommitted(topic));
        send(topic, 0, "4");
        assertEquals(4, log(topic, 0, "read_uncommitted").get(0).offset());
    }

    /** It might come yet: the client asks on until its time is over. */
    @Test
    void ofWhatIsNotThere() {
        var options = new ListOffsetsOptions().timeoutMs(3000);
        var place = new TopicPartition(topic(1), 7);
        refused(TimeoutException.class, ADMIN.listOffsets(Map.of(place, OffsetSpec.latest()), options).partitionResult(place));
        var none = new TopicPartition(name("none"), 0);
        var deleted = ADMIN.deleteRecords(Map.of(none, RecordsToDelete.beforeOffset(0)),
            new DeleteRecordsOptions().timeoutMs(3000)).all();
        refused(TimeoutException.class, deleted);
    }

    private static ListOffsetsResultInfo ask(String topic, OffsetSpec spec) {
        var place = new TopicPartition(topic, 0);
        return get(ADMIN.listOffsets(Map.of(place, spec)).partitionResult(place));
    }
}
