package compatibility.transaction;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

/** Where a transaction is open the log ends for readers of committed records, however much others append behind it. */
class OpenTransactionTest extends BrokerTest {
    @Test
    void theEndDependsOnTheIsolationLevel() throws Exception {
        String topic = topic(1);
        send(topic, 0, "before 1", "before 2");
        var producer = producer("transactional.id=" + name("id"));
        producer.initTransactions();
        producer.beginTransaction();
        send(producer, topic, "inside");
        send(topic, 0, "behind");

        assertEquals(List.of("before 1", "before 2"), committed(topic));
        assertEquals(List.of("before 1", "before 2", "inside", "behind"), uncommitted(topic));
        assertEquals(List.of(2L, 4L), ends(topic));

        producer.commitTransaction();
        becomesCommitted(List.of("before 1", "before 2", "inside", "behind"), topic);
        assertEquals(List.of(5L, 5L), ends(topic));
    }

    @Test
    void aReaderThatWaitsGetsTheRecordsWithTheCommit() {
        String topic = topic(1);
        var producer = producer("transactional.id=" + name("id"));
        var consumer = consumer("isolation.level=read_committed");
        consumer.assign(places(topic, 0));
        producer.initTransactions();
        producer.beginTransaction();
        send(producer, topic, "inside");
        assertEquals(0, consumer.poll(Duration.ofSeconds(1)).count());
        producer.commitTransaction();
        assertEquals(List.of("inside"), values(read(consumer, 1)));
        assertEquals(2, consumer.position(new TopicPartition(topic, 0)));
    }

    /** For readers of committed and of uncommitted records; consumer and admin client must agree. */
    private List<Long> ends(String topic) {
        var place = new TopicPartition(topic, 0);
        var asked = Map.of(place, OffsetSpec.latest());
        var committed = new ListOffsetsOptions(IsolationLevel.READ_COMMITTED);
        var uncommitted = new ListOffsetsOptions(IsolationLevel.READ_UNCOMMITTED);
        var ofAdmin = List.of(get(ADMIN.listOffsets(asked, committed).partitionResult(place)).offset(),
            get(ADMIN.listOffsets(asked, uncommitted).partitionResult(place)).offset());
        var ofConsumer = List.of(consumer("isolation.level=read_committed").endOffsets(List.of(place)).get(place),
            consumer("isolation.level=read_uncommitted").endOffsets(List.of(place)).get(place));
        assertEquals(ofAdmin, ofConsumer);
        return ofAdmin;
    }
}
