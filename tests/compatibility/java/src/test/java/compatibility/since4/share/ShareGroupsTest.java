package compatibility.since4.share;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.group.Protocol;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.junit.jupiter.api.Test;

/** Share groups are listed, described and deleted. */
class ShareGroupsTest extends ShareTest {
    private final String topic = topic(2);
    private final String group = group();

    private ShareGroupDescription describe() {
        return get(ADMIN.describeShareGroups(List.of(group)).all()).get(group);
    }

    private List<GroupListing> listed(ListGroupsOptions options) {
        return get(ADMIN.listGroups(options).all()).stream().filter(found -> found.groupId().equals(group)).toList();
    }

    @Test
    void listedByTypeAndState() {
        send(topic, 0, "a");
        var member = member(group, topic);
        acknowledge(member, some(member), AcknowledgeType.ACCEPT);
        var wanted = new GroupListing(group, Optional.of(GroupType.SHARE), "share", Optional.of(GroupState.STABLE));
        assertEquals(List.of(wanted), listed(new ListGroupsOptions()));
        assertEquals(List.of(wanted), listed(ListGroupsOptions.forShareGroups()));
        assertEquals(List.of(wanted), listed(new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE)).inGroupStates(Set.of(GroupState.STABLE))));
        assertEquals(List.of(), listed(ListGroupsOptions.forConsumerGroups()));
        assertEquals(List.of(), listed(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))));
        member.close();
        var empty = new GroupListing(group, Optional.of(GroupType.SHARE), "share", Optional.of(GroupState.EMPTY));
        assertEquals(List.of(empty), listed(ListGroupsOptions.forShareGroups().inGroupStates(Set.of(GroupState.EMPTY))));
    }

    @Test
    void describedWithItsMembers() throws Exception {
        send(topic, 0, "a");
        var member = member(group, topic, "client.id=somebody", "client.rack=a-rack");
        var records = some(member);
        var described = eventually(this::describe, found -> found.members().stream().anyMatch(one -> !one.assignment().topicPartitions().isEmpty()));
        assertEquals(GroupState.STABLE, described.groupState());
        assertEquals(BROKER, described.coordinator().host() + ":" + described.coordinator().port());
        assertEquals(1, described.members().size());
        var found = described.members().iterator().next();
        assertEquals("somebody", found.clientId());
        assertEquals(Optional.of("a-rack"), found.rackId());
        assertEquals("/127.0.0.1", found.host());
        assertEquals(Set.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1)), found.assignment().topicPartitions());
        assertEquals(described.groupEpoch(), found.memberEpoch());
        assertEquals(described.groupEpoch(), described.targetAssignmentEpoch());
        acknowledge(member, records, AcknowledgeType.ACCEPT);
        member.close();
        assertEquals(GroupState.EMPTY, describe().groupState());
        assertEquals(0, describe().members().size());
    }

    /** Two members hold both partitions each, unlike in a consumer group. */
    @Test
    void everyMemberMayHaveEveryPartition() throws Exception {
        String single = topic(1);
        var one = member(group, single);
        var other = member(group, single);
        var place = Set.of(new TopicPartition(single, 0));
        eventually(() -> {
            poll(one);
            poll(other);
            return describe().members().stream().map(found -> found.assignment().topicPartitions()).toList();
        }, List.of(place, place)::equals);
    }

    @Test
    void deletedWhenEmptyAndNotBefore() throws Exception {
        send(topic, 0, "a");
        var member = member(group, topic);
        acknowledge(member, some(member), AcknowledgeType.ACCEPT);
        refused(GroupNotEmptyException.class, ADMIN.deleteShareGroups(List.of(group)).all());
        member.close();
        get(ADMIN.deleteShareGroups(List.of(group)).all());
        assertEquals(List.of(), listed(new ListGroupsOptions()));
        refused(GroupIdNotFoundException.class, ADMIN.deleteShareGroups(List.of(group)).all());
        // It is forgotten what was acknowledged: a group of this name begins as its properties say.
        assertEquals(List.of("a/1"), counted(some(member(group, topic))));
    }

    @Test
    void oneThatIsNotThere() {
        refused(GroupIdNotFoundException.class, ADMIN.describeShareGroups(List.of(name("none"))).all());
        refused(GroupIdNotFoundException.class, ADMIN.deleteShareGroups(List.of(name("none"))).all());
    }

    @Test
    void groupsOfOtherKindsAreNoShareGroups() {
        String other = name("group");
        var consumer = consumer("group.id=" + other, Protocol.CONSUMER.setting);
        consumer.subscribe(List.of(topic));
        pollUntil(() -> consumer.assignment().size() == 2, consumer);
        refused(GroupIdNotFoundException.class, ADMIN.describeShareGroups(List.of(other)).all());
        send(topic, 0, "a");
        var member = member(group, topic);
        some(member);
        refused(GroupIdNotFoundException.class, ADMIN.describeConsumerGroups(List.of(group)).all());
        refused(GroupIdNotFoundException.class, ADMIN.describeClassicGroups(List.of(group)).all());
        assertTrue(get(ADMIN.describeShareGroups(List.of(group)).all()).containsKey(group));
        assertEquals(Map.of(), offsets(group));
    }
}
