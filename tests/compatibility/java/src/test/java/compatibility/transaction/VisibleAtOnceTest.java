package compatibility.transaction;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** When a commit was answered its records and offsets can be read: a promise of Millstream's that Kafka does not make. */
@Tag("millstream")
class VisibleAtOnceTest extends BrokerTest {
    @Test
    void recordsAndOffsets() {
        String topic = topic(1);
        String group = name("group");
        var place = new TopicPartition(topic, 0);
        var producer = producer("transactional.id=" + name("id"));
        producer.initTransactions();
        List<String> sent = new ArrayList<>();
        for (long number = 1; number <= 20; number++) {
            producer.beginTransaction();
            send(producer, topic, "record " + number);
            sent.add("record " + number);
            producer.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(number)), new ConsumerGroupMetadata(group));
            producer.commitTransaction();
            assertEquals(sent, committed(topic));
            assertEquals(Map.of(place, number), offsets(group));
        }
    }
}
