package compatibility.since4.share;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.SharePartitionOffsetInfo;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.Test;

/** Where a share group stands in a partition: listed, moved, forgotten. */
class ShareGroupOffsetsTest extends ShareTest {
    private final String topic = topic(2);
    private final String group = group();
    private final TopicPartition first = new TopicPartition(topic, 0);
    private final TopicPartition second = new TopicPartition(topic, 1);

    private Map<TopicPartition, SharePartitionOffsetInfo> offsets(ListShareGroupOffsetsSpec what) {
        return get(ADMIN.listShareGroupOffsets(Map.of(group, what)).partitionsToOffsetInfo(group));
    }

    /** How many records of each partition are not done. */
    private Map<TopicPartition, Long> lags() {
        var lags = new HashMap<TopicPartition, Long>();
        offsets(new ListShareGroupOffsetsSpec()).forEach((place, info) -> lags.put(place, info.lag().orElse(null)));
        return lags;
    }

    private SharePartitionOffsetInfo inTheFirst() {
        return offsets(new ListShareGroupOffsetsSpec().topicPartitions(List.of(first))).get(first);
    }

    /** Five records, of which the first three are accepted; the group is empty afterwards. */
    private void acceptThreeOfFive() throws Exception {
        send(topic, 0, "0", "1", "2", "3", "4");
        send(topic, 1, "x");
        var member = member(group, topic);
        Set<String> accepted = Set.of("0", "1", "2", "x");
        var seen = new HashSet<String>();
        while (!seen.containsAll(accepted)) {
            for (var record : some(member)) {
                seen.add(record.value());
                member.acknowledge(record, accepted.contains(record.value()) ? AcknowledgeType.ACCEPT : AcknowledgeType.RELEASE);
            }
            commit(member);
        }
        member.close();
        eventually(this::lags, Map.of(first, 2L, second, 0L)::equals);
    }

    @Test
    void listed() throws Exception {
        acceptThreeOfFive();
        assertEquals(3, inTheFirst().startOffset());
        send(topic, 0, "5", "6");
        eventually(this::lags, Map.of(first, 4L, second, 0L)::equals);
        var elsewhere = new TopicPartition(topic(1), 0);
        assertEquals(Collections.singletonMap(elsewhere, null), offsets(new ListShareGroupOffsetsSpec().topicPartitions(List.of(elsewhere))));
    }

    @Test
    void movedWhenEmptyAndNotBefore() throws Exception {
        acceptThreeOfFive();
        get(ADMIN.alterShareGroupOffsets(group, Map.of(first, 1L)).all());
        assertEquals(1, inTheFirst().startOffset());
        assertEquals(Map.of(first, 4L, second, 0L), lags());
        var member = member(group, topic);
        assertEquals(List.of("1/1", "2/1", "3/1", "4/1"), counted(some(member)));
        refused(GroupNotEmptyException.class, ADMIN.alterShareGroupOffsets(group, Map.of(first, 0L)).all());
    }

    @Test
    void aGroupThatIsNotThereIsMade() throws Exception {
        send(topic, 0, "0", "1", "2");
        get(ADMIN.alterShareGroupOffsets(group, Map.of(first, 2L)).partitionResult(first));
        assertEquals(2, inTheFirst().startOffset());
        var member = member(group, topic);
        assertEquals(List.of("2/1"), counted(some(member)));
    }

    @Test
    void notMovedInPartitionsThatAreNotThere() {
        var nowhere = new TopicPartition(name("nowhere"), 0);
        var beyond = new TopicPartition(topic, 2);
        var result = ADMIN.alterShareGroupOffsets(group, Map.of(nowhere, 0L, beyond, 0L, second, 0L));
        refused(UnknownTopicOrPartitionException.class, result.partitionResult(nowhere));
        refused(UnknownTopicOrPartitionException.class, result.partitionResult(beyond));
        get(result.partitionResult(second));
    }

    @Test
    void forgottenWhenEmptyAndNotBefore() throws Exception {
        acceptThreeOfFive();
        var member = member(group, topic);
        var records = some(member);
        refused(GroupNotEmptyException.class, ADMIN.deleteShareGroupOffsets(group, Set.of(topic)).all());
        acknowledge(member, records, AcknowledgeType.RELEASE);
        member.close();
        get(ADMIN.deleteShareGroupOffsets(group, Set.of(topic)).all());
        assertEquals(Map.of(), lags());
        var again = member(group, topic);
        assertEquals(1, some(again).get(0).deliveryCount().orElseThrow().intValue());
    }

    @Test
    void notForgottenTwice() throws Exception {
        acceptThreeOfFive();
        get(ADMIN.deleteShareGroupOffsets(group, Set.of(topic)).all());
        refused(UnknownTopicOrPartitionException.class, ADMIN.deleteShareGroupOffsets(group, Set.of(topic)).topicResult(topic));
        String nowhere = name("nowhere");
        refused(UnknownTopicOrPartitionException.class, ADMIN.deleteShareGroupOffsets(group, Set.of(nowhere)).topicResult(nowhere));
    }

    @Test
    void aGroupThatIsNotThereHasNone() {
        assertEquals(Map.of(), offsets(new ListShareGroupOffsetsSpec()));
        assertEquals(Collections.singletonMap(first, null), offsets(new ListShareGroupOffsetsSpec().topicPartitions(List.of(first))));
        refused(GroupIdNotFoundException.class, ADMIN.deleteShareGroupOffsets(group, Set.of(topic)).all());
    }

    @Test
    void aGroupThatIsNotThereIsNotMadeInVain() {
        var nowhere = new TopicPartition(name("nowhere"), 0);
        refused(UnknownTopicOrPartitionException.class, ADMIN.alterShareGroupOffsets(group, Map.of(nowhere, 0L)).partitionResult(nowhere));
        refused(GroupIdNotFoundException.class, ADMIN.describeShareGroups(List.of(group)).all());
    }
}
