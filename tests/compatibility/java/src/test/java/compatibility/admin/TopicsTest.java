package compatibility.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.Test;

/** Topics come, grow and go; each has an id of its own, and what cannot be is refused for its reason. */
class TopicsTest extends BrokerTest {
    @Test
    void createdDescribedAndDeleted() {
        String topic = name("topic");
        var created = ADMIN.createTopics(List.of(new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "1000"))));
        get(created.all());
        assertEquals(3, get(created.numPartitions(topic)));
        assertEquals(1, get(created.replicationFactor(topic)));
        assertEquals("1000", get(created.config(topic)).get("retention.ms").value());
        Uuid id = get(created.topicId(topic));

        var byName = get(ADMIN.describeTopics(List.of(topic)).allTopicNames()).get(topic);
        assertEquals(id, byName.topicId());
        assertFalse(byName.isInternal());
        assertEquals(List.of(0, 1, 2), byName.partitions().stream().map(partition -> partition.partition()).toList());
        for (var partition : byName.partitions()) {
            assertEquals(List.of(partition.leader()), partition.replicas());
            assertEquals(List.of(partition.leader()), partition.isr());
        }
        var byId = get(ADMIN.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()).get(id);
        assertEquals(topic, byId.name());
        assertEquals(3, byId.partitions().size());
        assertEquals(id, get(ADMIN.listTopics().namesToListings()).get(topic).topicId());

        get(ADMIN.deleteTopics(List.of(topic)).all());
        refused(UnknownTopicOrPartitionException.class, ADMIN.describeTopics(List.of(topic)).topicNameValues().get(topic));
        refused(UnknownTopicIdException.class, ADMIN.describeTopics(TopicCollection.ofTopicIds(List.of(id))).topicIdValues().get(id));
        assertFalse(get(ADMIN.listTopics().names()).contains(topic));
    }

    @Test
    void aTopicOfTheSameNameIsAnotherOne() {
        String topic = topic(1);
        send(topic, 0, "of the first");
        Uuid first = get(ADMIN.describeTopics(List.of(topic)).allTopicNames()).get(topic).topicId();
        get(ADMIN.deleteTopics(TopicCollection.ofTopicIds(List.of(first))).all());
        get(ADMIN.createTopics(List.of(new NewTopic(topic, Optional.empty(), Optional.empty()))).all());
        becomesUsable(topic, 1);
        assertNotEquals(first, get(ADMIN.describeTopics(List.of(topic)).allTopicNames()).get(topic).topicId());
        send(topic, 0, "of the second");
        assertEquals(List.of("of the second"), uncommitted(topic));
    }

    @Test
    void whatCannotBeCreated() {
        String topic = topic(1);
        refused(TopicExistsException.class, ADMIN.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all());
        for (String name : List.of("not a name", "..", "x".repeat(250))) {
            refused(InvalidTopicException.class, ADMIN.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all());
        }
        refused(InvalidPartitionsException.class, ADMIN.createTopics(List.of(new NewTopic(name("topic"), 0, (short) 1))).all());
        refused(InvalidReplicationFactorException.class, ADMIN.createTopics(List.of(new NewTopic(name("topic"), 1, (short) 2))).all());
        for (var config : Map.of("retention.ms", "soon", "no.such.property", "1", "cleanup.policy", "shred").entrySet()) {
            var refused = new NewTopic(name("topic"), 1, (short) 1).configs(Map.of(config.getKey(), config.getValue()));
            refused(InvalidConfigurationException.class, ADMIN.createTopics(List.of(refused)).all());
        }
    }

    @Test
    void validateOnlyChangesNothing() {
        String topic = name("topic");
        var options = new CreateTopicsOptions().validateOnly(true);
        var created = ADMIN.createTopics(List.of(new NewTopic(topic, 2, (short) 1)), options);
        get(created.all());
        assertEquals(2, get(created.numPartitions(topic)));
        refused(InvalidReplicationFactorException.class, ADMIN.createTopics(List.of(new NewTopic(topic, 1, (short) 2)), options).all());
        assertFalse(get(ADMIN.listTopics().names()).contains(topic));
    }

    @Test
    void morePartitionsAndNeverFewer() {
        String topic = topic(2);
        get(ADMIN.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all());
        assertEquals(4, get(ADMIN.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions().size());
        send(topic, 3, "in the new one");
        assertEquals(List.of("in the new one"), values(log(topic, 3, "read_uncommitted")));
        for (int count : new int[] {4, 3, 0}) {
            refused(InvalidPartitionsException.class, ADMIN.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all());
        }
        refused(UnknownTopicOrPartitionException.class, ADMIN.createPartitions(Map.of(name("none"), NewPartitions.increaseTo(2))).all());
    }

    @Test
    void whatIsNotThereCannotBeDeleted() {
        refused(UnknownTopicOrPartitionException.class, ADMIN.deleteTopics(List.of(name("none"))).all());
        refused(UnknownTopicIdException.class, ADMIN.deleteTopics(TopicCollection.ofTopicIds(List.of(Uuid.randomUuid()))).all());
        assertTrue(get(ADMIN.deleteTopics(List.<String>of()).all()) == null);
    }
}
