package compatibility.consumer;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import compatibility.group.Protocol;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.common.errors.WakeupException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A poll that waits for records can be woken from another thread, and the consumer closes at once. */
class WakeupTest extends BrokerTest {
    @ParameterizedTest
    @EnumSource
    void wokenAndClosed(Protocol protocol) {
        var consumer = consumer("group.id=" + name("group"), protocol.setting);
        consumer.subscribe(List.of(topic(1)));
        pollUntil(() -> !consumer.assignment().isEmpty(), consumer);
        CompletableFuture.delayedExecutor(300, TimeUnit.MILLISECONDS).execute(consumer::wakeup);
        long start = System.nanoTime();
        assertThrows(WakeupException.class, () -> consumer.poll(Duration.ofSeconds(60)));
        consumer.close();
        assertTrue(Duration.ofNanos(System.nanoTime() - start).toSeconds() < 15);
        assertThrows(IllegalStateException.class, () -> consumer.poll(Duration.ZERO));
    }
}
