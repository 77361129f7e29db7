package compatibility.consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.time.Duration;
import java.util.List;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

/** A paused partition gives nothing while others do, and goes on where it stood. */
class PauseTest extends BrokerTest {
    @Test
    void pausedAndResumed() {
        String topic = topic(2);
        var first = new TopicPartition(topic, 0);
        var second = new TopicPartition(topic, 1);
        send(topic, 0, "a", "b");
        send(topic, 1, "x", "y");
        var consumer = consumer();
        consumer.assign(List.of(first, second));
        consumer.pause(List.of(first));
        assertEquals(List.of("x", "y"), values(read(consumer, 2)));
        assertEquals(0, consumer.poll(Duration.ofSeconds(1)).count());
        consumer.resume(List.of(first));
        assertEquals(List.of("a", "b"), values(read(consumer, 2)));
    }
}
