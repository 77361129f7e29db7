package compatibility.transaction;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import compatibility.BrokerTest;
import compatibility.group.Protocol;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Offsets that were read move with the records that were written, both or neither. */
class ConsumeTransformProduceTest extends BrokerTest {
    @ParameterizedTest
    @EnumSource
    void everyRecordIsTransformedOnceWhateverIsAborted(Protocol protocol) throws Exception {
        String from = topic(2);
        String to = topic(1);
        send(from, 0, "0", "2", "4", "6", "8");
        send(from, 1, "1", "3", "5", "7", "9");
        String group = name("group");
        var producer = producer("transactional.id=" + name("id"));
        producer.initTransactions();
        var consumer = consumer("group.id=" + group, protocol.setting, "max.poll.records=3", "isolation.level=read_committed");
        consumer.subscribe(List.of(from));
        int batches = 0;
        while (committed(to).size() < 10) {
            var records = consumer.poll(Duration.ofMillis(200));
            if (records.isEmpty()) {
                continue;
            }
            producer.beginTransaction();
            records.forEach(record -> producer.send(new ProducerRecord<>(to, record.value() + "!")));
            producer.sendOffsetsToTransaction(positions(consumer), consumer.groupMetadata());
            if (batches++ % 2 == 0) {
                producer.abortTransaction();
                backToCommitted(consumer);
            } else {
                producer.commitTransaction();
            }
        }
        assertEquals(List.of("0!", "1!", "2!", "3!", "4!", "5!", "6!", "7!", "8!", "9!"), committed(to).stream().sorted().toList());
        eventually(() -> offsets(group), Map.of(new TopicPartition(from, 0), 5L, new TopicPartition(from, 1), 5L)::equals);
    }

    @Test
    void offsetsAreNotThereBeforeTheCommitAndNotAfterAnAbort() throws Exception {
        String topic = topic(1);
        var place = new TopicPartition(topic, 0);
        String group = name("group");
        var producer = producer("transactional.id=" + name("id"));
        producer.initTransactions();
        producer.beginTransaction();
        producer.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(5)), new ConsumerGroupMetadata(group));
        producer.abortTransaction();
        assertEquals(Map.of(), offsets(group));
        producer.beginTransaction();
        producer.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(7, "a note")), new ConsumerGroupMetadata(group));
        assertEquals(Map.of(), offsets(group));
        producer.commitTransaction();
        eventually(() -> offsets(group), Map.of(place, 7L)::equals);
        assertEquals("a note", get(ADMIN.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).get(place).metadata());
    }

    @ParameterizedTest
    @EnumSource
    void aMemberThatIsNoLongerOneCannotMoveTheOffsets(Protocol protocol) {
        String topic = topic(1);
        send(topic, 0, "a");
        String group = name("group");
        var place = new TopicPartition(topic, 0);
        var consumer = consumer("group.id=" + group, protocol.setting);
        consumer.subscribe(List.of(topic));
        read(consumer, 1);
        ConsumerGroupMetadata asItWas = consumer.groupMetadata();
        consumer.close();

        KafkaProducer<String, String> producer = producer("transactional.id=" + name("id"));
        producer.initTransactions();
        producer.beginTransaction();
        assertThrows(CommitFailedException.class, () -> producer.sendOffsetsToTransaction(Map.of(place, new OffsetAndMetadata(1)), asItWas));
        producer.abortTransaction();
        assertEquals(Map.of(), offsets(group));
    }

    private static Map<TopicPartition, OffsetAndMetadata> positions(KafkaConsumer<?, ?> consumer) {
        Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
        consumer.assignment().forEach(place -> positions.put(place, new OffsetAndMetadata(consumer.position(place))));
        return positions;
    }

    private static void backToCommitted(KafkaConsumer<?, ?> consumer) {
        consumer.committed(consumer.assignment()).forEach((place, offset) -> consumer.seek(place, offset == null ? 0 : offset.offset()));
    }
}
