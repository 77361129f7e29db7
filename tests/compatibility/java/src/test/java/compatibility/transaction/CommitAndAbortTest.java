package compatibility.transaction;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;

/** What was committed is seen by all, what was aborted only by those who ask for uncommitted records. */
class CommitAndAbortTest extends BrokerTest {
    @Test
    void theSameProducerCommitsAbortsAndGoesOn() throws Exception {
        String topic = topic(1);
        var producer = producer("transactional.id=" + name("id"));
        producer.initTransactions();
        for (String value : List.of("kept 1", "dropped 1", "kept 2", "dropped 2", "kept 3")) {
            producer.beginTransaction();
            send(producer, topic, value + "a");
            send(producer, topic, value + "b");
            if (value.startsWith("kept")) {
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
            }
        }
        becomesCommitted(List.of("kept 1a", "kept 1b", "kept 2a", "kept 2b", "kept 3a", "kept 3b"), topic);
        assertEquals(
            List.of("kept 1a", "kept 1b", "dropped 1a", "dropped 1b", "kept 2a", "kept 2b", "dropped 2a", "dropped 2b", "kept 3a", "kept 3b"),
            uncommitted(topic));
    }

    @Test
    void anEndTakesOneOffsetInEachPartition() throws Exception {
        String topic = topic(1);
        var producer = producer("transactional.id=" + name("id"));
        producer.initTransactions();
        long[] offsets = new long[4];
        for (int number = 0; number < 4; number++) {
            producer.beginTransaction();
            offsets[number] = send(producer, topic, "x").offset();
            producer.commitTransaction();
        }
        assertEquals(List.of(0L, 2L, 4L, 6L), List.of(offsets[0], offsets[1], offsets[2], offsets[3]));
        eventually(() -> log(topic, 0, "read_committed").stream().map(record -> record.offset()).toList(), List.of(0L, 2L, 4L, 6L)::equals);
    }

    @Test
    void allPartitionsOfATransactionOrNone() throws Exception {
        String one = topic(2);
        String other = topic(1);
        var producer = producer("transactional.id=" + name("id"));
        producer.initTransactions();
        for (boolean isKept : new boolean[] {false, true}) {
            producer.beginTransaction();
            for (var place : List.of(new ProducerRecord<String, String>(one, 0, null, "a" + isKept),
                    new ProducerRecord<String, String>(one, 1, null, "b" + isKept), new ProducerRecord<String, String>(other, 0, null, "c" + isKept))) {
                producer.send(place);
            }
            if (isKept) {
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
            }
        }
        becomesCommitted(List.of("atrue"), one);
        eventually(() -> values(log(one, 1, "read_committed")), List.of("btrue")::equals);
        becomesCommitted(List.of("ctrue"), other);
    }

    @Test
    void aTransactionWithoutRecordsLeavesNoTrace() throws Exception {
        String topic = topic(1);
        var producer = producer("transactional.id=" + name("id"));
        producer.initTransactions();
        producer.beginTransaction();
        producer.commitTransaction();
        producer.beginTransaction();
        producer.abortTransaction();
        producer.beginTransaction();
        assertEquals(0, send(producer, topic, "first").offset());
        producer.commitTransaction();
        becomesCommitted(List.of("first"), topic);
    }

    @Test
    void twoTransactionsAtATimeInOnePartition() throws Exception {
        String topic = topic(1);
        var first = producer("transactional.id=" + name("id"));
        var second = producer("transactional.id=" + name("id"));
        first.initTransactions();
        second.initTransactions();
        first.beginTransaction();
        second.beginTransaction();
        send(first, topic, "first 1");
        send(second, topic, "second 1");
        send(first, topic, "first 2");
        send(second, topic, "second 2");
        second.commitTransaction();
        assertEquals(List.of(), committed(topic));
        first.abortTransaction();
        becomesCommitted(List.of("second 1", "second 2"), topic);
    }
}
