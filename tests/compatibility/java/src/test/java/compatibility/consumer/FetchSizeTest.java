package compatibility.consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;

/** However little or much a reader asks for at a time, it gets everything in order; an answer waits for the bytes that were asked for. */
class FetchSizeTest extends BrokerTest {
    @Test
    void littleAtATimeFromManyPartitions() {
        int partitions = 8;
        String topic = topic(partitions);
        List<String> sent = new ArrayList<>();
        try (var producer = producer("batch.size=500")) {
            for (int number = 0; number < 400; number++) {
                sent.add(String.format("%03d", number));
                producer.send(new ProducerRecord<>(topic, number % partitions, null, sent.get(number)));
            }
        }
        var consumer = consumer("fetch.max.bytes=600", "max.partition.fetch.bytes=300", "max.poll.records=7");
        consumer.assign(places(topic, 0, 1, 2, 3, 4, 5, 6, 7));
        List<String> found = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (found.size() < sent.size() && System.nanoTime() < deadline) {
            var records = consumer.poll(Duration.ofMillis(100));
            assertTrue(records.count() <= 7);
            records.forEach(record -> found.add(record.value()));
        }
        assertEquals(sent, found.stream().sorted().toList());
        for (int partition = 0; partition < partitions; partition++) {
            int rest = partition;
            var ofPartition = found.stream().filter(value -> Integer.parseInt(value) % partitions == rest).toList();
            assertEquals(ofPartition.stream().sorted().toList(), ofPartition);
        }
    }

    @Test
    void anAnswerWaitsForSoManyBytesOrSoLong() {
        String topic = topic(1);
        var consumer = consumer("fetch.min.bytes=100000", "fetch.max.wait.ms=3000");
        consumer.assign(places(topic, 0));
        consumer.poll(Duration.ofMillis(100));
        send(topic, 0, "small");
        long start = System.nanoTime();
        assertEquals(List.of("small"), values(read(consumer, 1)));
        assertTrue(Duration.ofNanos(System.nanoTime() - start).toMillis() > 1000, "it came before there was enough");
    }
}
