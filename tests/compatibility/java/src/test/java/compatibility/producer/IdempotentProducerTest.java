package compatibility.producer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.junit.jupiter.api.Test;

/** Many batches in flight over several partitions: each record is in the log once, in the order of sending, where its answer says. */
class IdempotentProducerTest extends BrokerTest {
    private static final int PARTITIONS = 4;
    private static final int RECORDS = 20_000;

    @Test
    void everyRecordIsThereOnceAndInOrder() {
        String topic = topic(PARTITIONS);
        Map<Integer, List<String>> sent = new HashMap<>();
        List<Future<RecordMetadata>> answers = new ArrayList<>();
        try (var producer = producer("batch.size=2000", "max.in.flight.requests.per.connection=5", "enable.idempotence=true")) {
            for (int number = 0; number < RECORDS; number++) {
                int partition = number % PARTITIONS;
                String value = "record " + number;
                sent.computeIfAbsent(partition, key -> new ArrayList<>()).add(value);
                answers.add(producer.send(new ProducerRecord<>(topic, partition, "key", value)));
            }
            producer.flush();
        }
        for (int partition = 0; partition < PARTITIONS; partition++) {
            var log = log(topic, partition, "read_uncommitted");
            assertEquals(sent.get(partition), values(log));
            assertEquals(RECORDS / PARTITIONS - 1, log.get(log.size() - 1).offset());
        }
        for (int number = 0; number < RECORDS; number++) {
            assertEquals(number / PARTITIONS, get(answers.get(number)).offset(), "answer to record " + number);
        }
    }

    @Test
    void recordsWithAKeyGoToTheSamePartitionInEveryProducer() {
        String topic = topic(PARTITIONS);
        for (int round = 0; round < 2; round++) {
            try (var producer = producer()) {
                for (int key = 0; key < 100; key++) {
                    producer.send(new ProducerRecord<>(topic, "key " + key, "round " + round));
                }
            }
        }
        Map<String, List<Integer>> places = new HashMap<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            for (ConsumerRecord<String, String> record : log(topic, partition, "read_uncommitted")) {
                places.computeIfAbsent(record.key(), key -> new ArrayList<>()).add(record.partition());
            }
        }
        assertEquals(100, places.size());
        places.forEach((key, partitions) -> assertEquals(List.of(partitions.get(0), partitions.get(0)), partitions, key));
    }
}
