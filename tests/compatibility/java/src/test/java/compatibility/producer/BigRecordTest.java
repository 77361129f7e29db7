package compatibility.producer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.time.Duration;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.junit.jupiter.api.Test;

/** A record may be as large as its topic allows, and no larger; readers whose limits are smaller still get it. */
class BigRecordTest extends BrokerTest {
    private static final int MEGABYTE = 1 << 20;

    @Test
    void tenMegabytesWhereTheTopicAllowsThem() {
        String topic = topic(1, "max.message.bytes=" + 12 * MEGABYTE);
        String big = "x".repeat(10 * MEGABYTE);
        var producer = producer("max.request.size=" + 12 * MEGABYTE, "buffer.memory=" + 32 * MEGABYTE);
        assertEquals(0, send(producer, topic, big).offset());
        assertEquals(1, send(producer, topic, "small").offset());
        var place = new TopicPartition(topic, 0);
        try (var consumer = consumer("max.partition.fetch.bytes=1000", "fetch.max.bytes=1000")) {
            consumer.assign(List.of(place));
            assertEquals(List.of(big, "small"), values(read(consumer, 2)));
        }
    }

    @Test
    void oneByteMoreThanTheTopicAllowsIsRefused() {
        String topic = topic(1, "max.message.bytes=1000");
        var producer = producer();
        int overhead = 61 + 9; // of a batch, and of its one record with a value of that size
        assertEquals(0, send(producer, topic, "x".repeat(1000 - overhead)).offset());
        refused(RecordTooLargeException.class, producer.send(new ProducerRecord<>(topic, 0, null, "x".repeat(1001 - overhead))));
        assertEquals(1, send(producer, topic, "small").offset());
        producer.close(Duration.ofSeconds(5));
    }
}
