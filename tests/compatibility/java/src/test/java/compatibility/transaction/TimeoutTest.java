package compatibility.transaction;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import java.util.List;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.protocol.Errors;
import org.junit.jupiter.api.Test;

/** A transaction that is open for longer than its producer asked for is aborted by the broker. */
class TimeoutTest extends BrokerTest {
    @Test
    void readersGoOnWithoutIt() throws Exception {
        String topic = topic(1);
        String id = name("id");
        var producer = producer("transactional.id=" + id, "transaction.timeout.ms=1000");
        producer.initTransactions();
        producer.beginTransaction();
        send(producer, topic, "too slow");
        send(topic, 0, "behind");
        assertEquals(List.of(), committed(topic));
        eventually(() -> committed(topic), List.of("behind")::equals);
        eventually(() -> get(ADMIN.describeTransactions(List.of(id)).description(id)).state(), TransactionState.COMPLETE_ABORT::equals);
        assertThrows(KafkaException.class, producer::commitTransaction);
        assertEquals(List.of("behind"), committed(topic));
    }

    @Test
    void moreThanTheBrokerAllowsIsRefused() {
        var producer = producer("transactional.id=" + name("id"), "transaction.timeout.ms=" + Integer.MAX_VALUE);
        var failure = assertThrows(KafkaException.class, producer::initTransactions);
        assertTrue(failure.getMessage().contains(Errors.INVALID_TRANSACTION_TIMEOUT.message()), failure.getMessage());
    }

    @Test
    void aNewProducerWithTheIdGoesOn() throws Exception {
        String topic = topic(1);
        String id = name("id");
        var slow = producer("transactional.id=" + id, "transaction.timeout.ms=1000");
        slow.initTransactions();
        slow.beginTransaction();
        long first = send(slow, topic, "too slow").offset();
        eventually(() -> get(ADMIN.describeTransactions(List.of(id)).description(id)).state(), TransactionState.COMPLETE_ABORT::equals);
        var next = producer("transactional.id=" + id);
        next.initTransactions();
        next.beginTransaction();
        assertEquals(first + 2, send(next, topic, "in time").offset());
        next.commitTransaction();
        assertThrows(ProducerFencedException.class, slow::commitTransaction);
        becomesCommitted(List.of("in time"), topic);
    }
}
