package compatibility.consumer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import compatibility.BrokerTest;
import compatibility.group.Protocol;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What was committed, by whichever call, is where the next member starts. */
class CommitTest extends BrokerTest {
    @ParameterizedTest
    @EnumSource
    void byCommitSync(Protocol protocol) {
        String topic = topic(1);
        String group = name("group");
        send(topic, 0, "0", "1", "2", "3");
        var place = new TopicPartition(topic, 0);
        try (var consumer = consumer("group.id=" + group, protocol.setting, "max.poll.records=2")) {
            consumer.subscribe(List.of(topic));
            assertEquals(List.of("0", "1"), values(read(consumer, 2)));
            consumer.commitSync();
        }
        assertEquals(Map.of(place, 2L), offsets(group));
        var next = consumer("group.id=" + group, protocol.setting);
        next.subscribe(List.of(topic));
        assertEquals(List.of("2", "3"), values(read(next, 2)));
    }

    @ParameterizedTest
    @EnumSource
    void byCommitAsync(Protocol protocol) {
        String topic = topic(1);
        String group = name("group");
        send(topic, 0, "0", "1");
        var place = new TopicPartition(topic, 0);
        var consumer = consumer("group.id=" + group, protocol.setting);
        consumer.subscribe(List.of(topic));
        read(consumer, 2);
        CompletableFuture<Map<TopicPartition, OffsetAndMetadata>> answer = new CompletableFuture<>();
        consumer.commitAsync(Map.of(place, new OffsetAndMetadata(1, "a note")), (offsets, failure) -> {
            if (failure == null) {
                answer.complete(offsets);
            } else {
                answer.completeExceptionally(failure);
            }
        });
        pollUntil(answer::isDone, consumer);
        assertEquals(Map.of(place, new OffsetAndMetadata(1, "a note")), get(answer));
        var committed = consumer.committed(Set.of(place)).get(place);
        assertEquals(1, committed.offset());
        assertEquals("a note", committed.metadata());
    }

    @ParameterizedTest
    @EnumSource
    void byItselfWhenItCloses(Protocol protocol) {
        String topic = topic(1);
        String group = name("group");
        send(topic, 0, "0", "1");
        try (var consumer = consumer("group.id=" + group, protocol.setting, "enable.auto.commit=true", "auto.commit.interval.ms=60000")) {
            consumer.subscribe(List.of(topic));
            read(consumer, 2);
        }
        assertEquals(Map.of(new TopicPartition(topic, 0), 2L), offsets(group));
    }

    @ParameterizedTest
    @EnumSource
    void byItselfWhileItPolls(Protocol protocol) throws Exception {
        String topic = topic(1);
        String group = name("group");
        send(topic, 0, "0", "1");
        var consumer = consumer("group.id=" + group, protocol.setting, "enable.auto.commit=true", "auto.commit.interval.ms=100");
        consumer.subscribe(List.of(topic));
        read(consumer, 2);
        eventually(() -> {
            consumer.poll(Duration.ofMillis(100));
            return offsets(group);
        }, Map.of(new TopicPartition(topic, 0), 2L)::equals);
    }

    @ParameterizedTest
    @EnumSource
    void withoutMembershipAndWithTheLeadersEpoch(Protocol protocol) {
        String topic = topic(2);
        var first = new TopicPartition(topic, 0);
        var second = new TopicPartition(topic, 1);
        var consumer = consumer("group.id=" + name("group"), protocol.setting);
        consumer.assign(List.of(first, second));
        consumer.commitSync(Map.of(first, new OffsetAndMetadata(17, Optional.of(0), "")));
        var committed = consumer.committed(Set.of(first, second));
        assertEquals(new OffsetAndMetadata(17, Optional.of(0), ""), committed.get(first));
        assertNull(committed.get(second));
    }
}
