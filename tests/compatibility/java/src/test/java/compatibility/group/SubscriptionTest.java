package compatibility.group;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A member follows its subscription when topics come, grow and when it chooses others. */
class SubscriptionTest extends BrokerTest {
    @ParameterizedTest
    @EnumSource
    void otherTopicsThanBefore(Protocol protocol) {
        String one = topic(1);
        String other = topic(2);
        var consumer = consumer("group.id=" + name("group"), protocol.setting);
        consumer.subscribe(List.of(one));
        pollUntil(() -> consumer.assignment().equals(Set.copyOf(places(one, 0))), consumer);
        consumer.subscribe(List.of(other));
        pollUntil(() -> consumer.assignment().equals(Set.copyOf(places(other, 0, 1))), consumer);
        consumer.unsubscribe();
        assertEquals(Set.of(), consumer.assignment());
        consumer.subscribe(List.of(one, other));
        pollUntil(() -> consumer.assignment().size() == 3, consumer);
    }

    @ParameterizedTest
    @EnumSource
    void moreOfATopicThanBefore(Protocol protocol) {
        String topic = topic(1);
        var consumer = consumer("group.id=" + name("group"), protocol.setting, "metadata.max.age.ms=300");
        consumer.subscribe(List.of(topic));
        pollUntil(() -> consumer.assignment().size() == 1, consumer);
        get(ADMIN.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all());
        pollUntil(() -> consumer.assignment().equals(Set.copyOf(places(topic, 0, 1, 2))), consumer);
    }

    /** The pattern is resolved by the client. */
    @ParameterizedTest
    @EnumSource
    void topicsThatMatchAPattern(Protocol protocol) {
        String prefix = name("prefix");
        for (String topic : List.of(prefix + "-a", prefix + "-b", "not-" + prefix)) {
            get(ADMIN.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all());
        }
        var consumer = consumer("group.id=" + name("group"), protocol.setting, "metadata.max.age.ms=300");
        consumer.subscribe(Pattern.compile(prefix + "-.*"));
        pollUntil(() -> consumer.assignment().equals(Set.of(new TopicPartition(prefix + "-a", 0), new TopicPartition(prefix + "-b", 0))), consumer);
        get(ADMIN.createTopics(List.of(new NewTopic(prefix + "-c", 1, (short) 1))).all());
        pollUntil(() -> consumer.assignment().contains(new TopicPartition(prefix + "-c", 0)), consumer);
        get(ADMIN.deleteTopics(List.of(prefix + "-a")).all());
        pollUntil(() -> consumer.assignment().equals(Set.of(new TopicPartition(prefix + "-b", 0), new TopicPartition(prefix + "-c", 0))), consumer);
    }
}
