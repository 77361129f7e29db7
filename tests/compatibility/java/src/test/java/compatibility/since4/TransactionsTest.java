package compatibility.since4;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.List;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.junit.jupiter.api.Test;

/** Transactions by a pattern of their ids, and ending one by its id. */
class TransactionsTest extends BrokerTest {
    private final String id = name("id");
    private final String topic = topic(1);

    private void open() {
        var producer = producer("transactional.id=" + id);
        producer.initTransactions();
        producer.beginTransaction();
        send(producer, topic, "inside");
    }

    @Test
    void listedByPattern() {
        open();
        var pattern = new ListTransactionsOptions().filterOnTransactionalIdPattern(id.substring(0, id.length() - 1) + ".");
        assertEquals(List.of(id), get(ADMIN.listTransactions(pattern).all()).stream().map(TransactionListing::transactionalId)
            .filter(id::equals).toList());
        var other = new ListTransactionsOptions().filterOnTransactionalIdPattern("x" + id);
        assertEquals(List.of(), List.copyOf(get(ADMIN.listTransactions(other).all())));
        refused(InvalidRegularExpression.class, ADMIN.listTransactions(new ListTransactionsOptions().filterOnTransactionalIdPattern("(")).all());
    }

    @Test
    void endedByItsId() throws Exception {
        open();
        get(ADMIN.forceTerminateTransaction(id).result());
        eventually(() -> get(ADMIN.describeTransactions(List.of(id)).description(id)).state(), TransactionState.EMPTY::equals);
        assertEquals(List.of(), committed(topic));
    }
}
