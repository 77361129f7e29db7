package compatibility.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.DescribeProducersOptions;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;
import org.junit.jupiter.api.Test;

/** Transactions and their producers can be seen from outside, and ended from there when they hang. */
class TransactionsTest extends BrokerTest {
    private final String topic = topic(1);
    private final String id = name("id");
    private final TopicPartition place = new TopicPartition(topic, 0);

    private KafkaProducer<String, String> openTransaction() {
        var producer = producer("transactional.id=" + id, "transaction.timeout.ms=50000");
        producer.initTransactions();
        producer.beginTransaction();
        send(producer, topic, "inside");
        return producer;
    }

    private TransactionState state() {
        return get(ADMIN.describeTransactions(List.of(id)).description(id)).state();
    }

    @Test
    void describedAndListed() throws Exception {
        var producer = openTransaction();
        var open = get(ADMIN.describeTransactions(List.of(id)).description(id));
        assertEquals(TransactionState.ONGOING, open.state());
        assertEquals(Set.of(place), open.topicPartitions());
        assertEquals(50_000, open.transactionTimeoutMs());
        long began = open.transactionStartTimeMs().getAsLong();
        assertTrue(began > System.currentTimeMillis() - 60_000 && began <= System.currentTimeMillis());
        assertTrue(lists(new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING))));
        assertTrue(lists(new ListTransactionsOptions().filterProducerIds(Set.of(open.producerId()))));
        assertFalse(lists(new ListTransactionsOptions().filterStates(Set.of(TransactionState.COMPLETE_COMMIT))));
        assertFalse(lists(new ListTransactionsOptions().filterOnDuration(3_600_000)));

        producer.commitTransaction();
        eventually(this::state, TransactionState.COMPLETE_COMMIT::equals);
        assertEquals(Set.of(), get(ADMIN.describeTransactions(List.of(id)).description(id)).topicPartitions());
        assertTrue(lists(new ListTransactionsOptions().filterStates(Set.of(TransactionState.COMPLETE_COMMIT))));
        String none = name("none");
        refused(TransactionalIdNotFoundException.class, ADMIN.describeTransactions(List.of(none)).description(none));
    }

    private boolean lists(ListTransactionsOptions options) {
        return get(ADMIN.listTransactions(options).all()).stream().anyMatch(found -> found.transactionalId().equals(id));
    }

    @Test
    void producersOfAPartition() throws Exception {
        var producer = openTransaction();
        long producerId = get(ADMIN.describeTransactions(List.of(id)).description(id)).producerId();
        ProducerState open = onlyProducer();
        assertEquals(producerId, open.producerId());
        assertEquals(0, open.lastSequence());
        assertEquals(0, open.currentTransactionStartOffset().getAsLong());
        producer.commitTransaction();
        eventually(() -> onlyProducer().currentTransactionStartOffset().isEmpty(), Boolean::booleanValue);
        var none = new TopicPartition(topic, 7);
        refused(TimeoutException.class, ADMIN.describeProducers(List.of(none), new DescribeProducersOptions().timeoutMs(2000)).all()); // it might come yet
    }

    private ProducerState onlyProducer() {
        var active = get(ADMIN.describeProducers(List.of(place)).partitionResult(place)).activeProducers();
        assertEquals(1, active.size());
        return active.get(0);
    }

    @Test
    void aHangingTransactionIsAborted() throws Exception {
        openTransaction();
        send(topic, 0, "behind");
        ProducerState hanging = get(ADMIN.describeProducers(List.of(place)).partitionResult(place)).activeProducers().stream()
            .filter(producer -> producer.currentTransactionStartOffset().isPresent()).findFirst().orElseThrow();
        get(ADMIN.abortTransaction(new AbortTransactionSpec(place, hanging.producerId(), (short) hanging.producerEpoch(),
            hanging.coordinatorEpoch().orElse(0))).all());
        becomesCommitted(List.of("behind"), topic);
    }

    @Test
    void aProducerIsFenced() throws Exception {
        var producer = openTransaction();
        int epoch = onlyProducer().producerEpoch();
        assertTrue(get(ADMIN.fenceProducers(List.of(id)).epochId(id)) > epoch);
        assertThrows(ProducerFencedException.class, producer::commitTransaction);
        eventually(this::state, TransactionState.EMPTY::equals);
        assertEquals(List.of(), committed(topic));
        get(ADMIN.fenceProducers(List.of(name("never seen"))).all());
    }
}
