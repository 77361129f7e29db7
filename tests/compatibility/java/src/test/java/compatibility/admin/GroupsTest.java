package compatibility.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import compatibility.group.Protocol;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListConsumerGroupsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.ConsumerGroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Groups of both kinds are listed, described, emptied and deleted. */
@SuppressWarnings("deprecation") // the newer names are not in the older clients
class GroupsTest extends BrokerTest {
    @ParameterizedTest
    @EnumSource
    void listedAndDescribed(Protocol protocol) {
        String topic = topic(2);
        String group = name("group");
        var member = consumer("group.id=" + group, protocol.setting, "client.id=somebody", "group.instance.id=an-instance");
        member.subscribe(List.of(topic));
        pollUntil(() -> member.assignment().size() == 2, member);

        var stable = new ListConsumerGroupsOptions().inStates(Set.of(ConsumerGroupState.STABLE)).withTypes(Set.of(type(protocol)));
        var listed = get(ADMIN.listConsumerGroups(stable).all()).stream().filter(found -> found.groupId().equals(group)).toList();
        assertEquals(1, listed.size());
        assertEquals(type(protocol), listed.get(0).type().orElseThrow());
        assertEquals(ConsumerGroupState.STABLE, listed.get(0).state().orElseThrow());
        var others = new ListConsumerGroupsOptions().inStates(Set.of(ConsumerGroupState.EMPTY));
        assertFalse(get(ADMIN.listConsumerGroups(others).all()).stream().anyMatch(found -> found.groupId().equals(group)));

        ConsumerGroupDescription described = describe(group);
        assertEquals(ConsumerGroupState.STABLE, described.state());
        assertEquals(type(protocol), described.type());
        assertEquals(protocol == Protocol.CLASSIC ? "range" : "uniform", described.partitionAssignor());
        assertEquals(BROKER, described.coordinator().host() + ":" + described.coordinator().port());
        assertEquals(1, described.members().size());
        var found = described.members().iterator().next();
        assertEquals("somebody", found.clientId());
        assertEquals("an-instance", found.groupInstanceId().orElseThrow());
        assertEquals("/127.0.0.1", found.host());
        assertEquals(Set.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1)), found.assignment().topicPartitions());
        assertEquals(member.groupMetadata().memberId(), found.consumerId());
    }

    @ParameterizedTest
    @EnumSource
    void deletedWhenEmptyAndNotBefore(Protocol protocol) throws Exception {
        String topic = topic(1);
        String group = name("group");
        var member = consumer("group.id=" + group, protocol.setting);
        member.subscribe(List.of(topic));
        pollUntil(() -> member.assignment().size() == 1, member);
        member.commitSync();
        refused(GroupNotEmptyException.class, ADMIN.deleteConsumerGroups(List.of(group)).all());
        member.close();
        assertEquals(ConsumerGroupState.EMPTY, eventually(() -> describe(group), found -> found.members().isEmpty()).state());
        get(ADMIN.deleteConsumerGroups(List.of(group)).all());
        refused(GroupIdNotFoundException.class, ADMIN.deleteConsumerGroups(List.of(group)).all());
        assertTrue(offsets(group).isEmpty());
        assertFalse(get(ADMIN.listConsumerGroups().all()).stream().anyMatch(found -> found.groupId().equals(group)));
    }

    @Test
    void membersAreRemoved() throws Exception {
        String topic = topic(2);
        String group = name("group");
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        for (String instance : List.of("first", "second")) {
            var member = consumer("group.id=" + group, "group.instance.id=" + instance, "heartbeat.interval.ms=200");
            member.subscribe(List.of(topic));
            members.add(member);
        }
        pollUntil(() -> members.get(0).assignment().size() == 1 && members.get(1).assignment().size() == 1, members.get(0), members.get(1));
        var removed = ADMIN.removeMembersFromConsumerGroup(group,
            new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("first"), new MemberToRemove("nobody"))));
        get(removed.memberResult(new MemberToRemove("first")));
        refused(UnknownMemberIdException.class, removed.memberResult(new MemberToRemove("nobody")));
        pollUntil(() -> members.get(1).assignment().size() == 2, members.get(1));
        get(ADMIN.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions()).all());
        eventually(() -> describe(group).members().size(), left -> left == 0);
    }

    private static GroupType type(Protocol protocol) {
        return GroupType.valueOf(protocol.name());
    }

    private static ConsumerGroupDescription describe(String group) {
        return get(ADMIN.describeConsumerGroups(List.of(group)).all()).get(group);
    }
}
