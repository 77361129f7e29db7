package compatibility.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import compatibility.group.Protocol;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The offsets of a group are looked at, moved and removed from outside, as long as no member would notice. */
class GroupOffsetsTest extends BrokerTest {
    @Test
    void movedAndRemoved() {
        String topic = topic(2);
        String group = name("group");
        var first = new TopicPartition(topic, 0);
        var second = new TopicPartition(topic, 1);
        get(ADMIN.alterConsumerGroupOffsets(group, Map.of(first, new OffsetAndMetadata(3), second, new OffsetAndMetadata(5))).all());
        assertEquals(Map.of(first, 3L, second, 5L), offsets(group));
        get(ADMIN.alterConsumerGroupOffsets(group, Map.of(first, new OffsetAndMetadata(1))).all());
        get(ADMIN.deleteConsumerGroupOffsets(group, Set.of(second)).all());
        assertEquals(Map.of(first, 1L), offsets(group));
        var none = new TopicPartition(name("none"), 0);
        refused(UnknownTopicOrPartitionException.class,
            ADMIN.alterConsumerGroupOffsets(group, Map.of(none, new OffsetAndMetadata(1))).partitionResult(none));
        refused(GroupIdNotFoundException.class, ADMIN.deleteConsumerGroupOffsets(name("none"), Set.of(first)).all());
    }

    @Test
    void ofSeveralGroupsAtOnce() {
        var place = new TopicPartition(topic(1), 0);
        String one = name("group");
        String other = name("group");
        String none = name("group");
        get(ADMIN.alterConsumerGroupOffsets(one, Map.of(place, new OffsetAndMetadata(1))).all());
        get(ADMIN.alterConsumerGroupOffsets(other, Map.of(place, new OffsetAndMetadata(2))).all());
        var all = new ListConsumerGroupOffsetsSpec();
        var found = get(ADMIN.listConsumerGroupOffsets(Map.of(one, all, other, all, none, all)).all());
        assertEquals(1, found.get(one).get(place).offset());
        assertEquals(2, found.get(other).get(place).offset());
        assertEquals(Map.of(), found.get(none));
    }

    @ParameterizedTest
    @EnumSource
    void notWhileSomebodyReads(Protocol protocol) {
        String topic = topic(1);
        String group = name("group");
        var place = new TopicPartition(topic, 0);
        var member = consumer("group.id=" + group, protocol.setting);
        member.subscribe(List.of(topic));
        pollUntil(() -> member.assignment().size() == 1, member);
        member.commitSync(Map.of(place, new OffsetAndMetadata(3)));
        refused(UnknownMemberIdException.class, ADMIN.alterConsumerGroupOffsets(group, Map.of(place, new OffsetAndMetadata(1))).all());
        refused(GroupSubscribedToTopicException.class, ADMIN.deleteConsumerGroupOffsets(group, Set.of(place)).partitionResult(place));
        assertEquals(Map.of(place, 3L), offsets(group));
    }
}
