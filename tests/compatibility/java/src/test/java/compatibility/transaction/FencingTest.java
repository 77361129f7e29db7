package compatibility.transaction;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import compatibility.BrokerTest;
import java.util.List;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.utils.AppInfoParser;
import org.junit.jupiter.api.Test;

/** Of two producers with one transactional id the newer one works, and the older one can do nothing any more. */
class FencingTest extends BrokerTest {
    @Test
    void theOpenTransactionOfTheOlderOneIsAborted() throws Exception {
        String topic = topic(1);
        String id = name("id");
        var older = producer("transactional.id=" + id);
        older.initTransactions();
        older.beginTransaction();
        send(older, topic, "of the older one");

        var newer = producer("transactional.id=" + id);
        newer.initTransactions();
        newer.beginTransaction();
        send(newer, topic, "of the newer one");
        newer.commitTransaction();

        assertThrows(ProducerFencedException.class, older::commitTransaction);
        becomesCommitted(List.of("of the newer one"), topic);
    }

    @Test
    void theOlderOneCannotSend() {
        String topic = topic(1);
        String id = name("id");
        var older = producer("transactional.id=" + id);
        older.initTransactions();
        older.beginTransaction();
        send(older, topic, "before");
        producer("transactional.id=" + id).initTransactions();

        refused(InvalidProducerEpochException.class, older.send(new ProducerRecord<>(topic, 0, null, "after")));
        assertEquals(List.of(), committed(topic));
        assertEquals(List.of("before"), uncommitted(topic));
    }

    @Test
    void theOlderOneCannotBeginAnew() {
        String topic = topic(1);
        String id = name("id");
        var older = producer("transactional.id=" + id);
        older.initTransactions();
        older.beginTransaction();
        send(older, topic, "committed in time");
        older.commitTransaction();
        producer("transactional.id=" + id).initTransactions();

        older.beginTransaction();
        var answer = older.send(new ProducerRecord<>(topic, 0, null, "too late"));
        // Clients since 4 hear it from the partition, those before from the coordinator, which they ask first.
        boolean asksFirst = AppInfoParser.getVersion().startsWith("3.");
        Class<? extends ApiException> wanted = asksFirst ? ProducerFencedException.class : InvalidProducerEpochException.class;
        assertThrows(wanted, older::commitTransaction);
        assertThrows(ExecutionException.class, answer::get);
        assertEquals(List.of("committed in time"), uncommitted(topic));
    }
}
