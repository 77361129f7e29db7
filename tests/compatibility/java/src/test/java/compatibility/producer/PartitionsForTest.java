package compatibility.producer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import compatibility.BrokerTest;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.Node;
import org.junit.jupiter.api.Test;

/** Producers learn of the partitions of a topic; a name that no topic can have is refused at once. */
class PartitionsForTest extends BrokerTest {
    @Test
    void eachPartitionIsLedByTheOneBroker() {
        var partitions = producer().partitionsFor(topic(3));
        assertEquals(List.of(0, 1, 2), partitions.stream().map(partition -> partition.partition()).sorted().toList());
        for (var partition : partitions) {
            assertEquals(BROKER, partition.leader().host() + ":" + partition.leader().port());
            assertEquals(List.of(partition.leader()), List.<Node>of(partition.replicas()));
            assertEquals(List.of(partition.leader()), List.<Node>of(partition.inSyncReplicas()));
            assertEquals(0, partition.offlineReplicas().length);
        }
    }

    @Test
    void aNameThatNoTopicCanHave() {
        refused(InvalidTopicException.class, producer().send(new ProducerRecord<>("not a name", "value")));
        assertThrows(InvalidTopicException.class, () -> producer().partitionsFor("not a name"));
    }
}
