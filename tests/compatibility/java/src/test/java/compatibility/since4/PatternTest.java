package compatibility.since4;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.junit.jupiter.api.Test;

/** A pattern that the broker resolves: whole names match it, topics that come later too, and a senseless one is refused. */
class PatternTest extends BrokerTest {
    private final String prefix = name("prefix");

    private void create(String topic) {
        get(ADMIN.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all());
    }

    @Test
    void topicsThatMatch() {
        create(prefix + "-a");
        create(prefix + "-b");
        create(prefix + "-other");
        create("before-" + prefix + "-a");
        var consumer = consumer("group.protocol=consumer", "group.id=" + name("group"));
        consumer.subscribe(new SubscriptionPattern(prefix + "-[a-c]"));
        pollUntil(() -> consumer.assignment().equals(Set.of(new TopicPartition(prefix + "-a", 0), new TopicPartition(prefix + "-b", 0))), consumer);
        send(prefix + "-b", 0, "b");
        assertEquals(List.of("b"), values(read(consumer, 1)));
        create(prefix + "-c");
        pollUntil(() -> consumer.assignment().contains(new TopicPartition(prefix + "-c", 0)), consumer);
        consumer.subscribe(new SubscriptionPattern(prefix + "-oth.*"));
        pollUntil(() -> consumer.assignment().equals(Set.of(new TopicPartition(prefix + "-other", 0))), consumer);
    }

    @Test
    void aSenselessPattern() {
        var consumer = consumer("group.protocol=consumer", "group.id=" + name("group"));
        consumer.subscribe(new SubscriptionPattern("(never closed"));
        assertThrows(InvalidRegularExpression.class, () -> pollUntil(() -> false, consumer));
    }
}
