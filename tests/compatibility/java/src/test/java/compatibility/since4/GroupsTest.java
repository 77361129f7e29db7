package compatibility.since4;

import static org.junit.jupiter.api.Assertions.assertEquals;

import compatibility.BrokerTest;
import compatibility.group.Protocol;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The calls that are about all kinds of groups. */
class GroupsTest extends BrokerTest {
    @ParameterizedTest
    @EnumSource
    void listedByTypeStateAndProtocol(Protocol protocol) {
        String group = name("group");
        var member = consumer("group.id=" + group, protocol.setting);
        member.subscribe(List.of(topic(1)));
        pollUntil(() -> member.assignment().size() == 1, member);
        GroupType type = GroupType.valueOf(protocol.name());
        var wanted = new GroupListing(group, Optional.of(type), "consumer", Optional.of(GroupState.STABLE));
        assertEquals(List.of(wanted), listed(group, new ListGroupsOptions()));
        assertEquals(List.of(wanted), listed(group, new ListGroupsOptions().withTypes(Set.of(type)).withProtocolTypes(Set.of("consumer"))));
        assertEquals(List.of(), listed(group, new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE))));
        assertEquals(List.of(), listed(group, new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))));
        assertEquals(List.of(wanted), listed(group, ListGroupsOptions.forConsumerGroups()));
    }

    private static List<GroupListing> listed(String group, ListGroupsOptions options) {
        return get(ADMIN.listGroups(options).all()).stream().filter(found -> found.groupId().equals(group)).toList();
    }

    @Test
    void aClassicGroupIsDescribed() {
        String group = name("group");
        var member = consumer("group.id=" + group, Protocol.CLASSIC.setting);
        member.subscribe(List.of(topic(1)));
        pollUntil(() -> member.assignment().size() == 1, member);
        var described = get(ADMIN.describeClassicGroups(List.of(group)).all()).get(group);
        assertEquals("consumer", described.protocol());
        assertEquals("range", described.protocolData());
        assertEquals(1, described.members().size());
    }

    @Test
    void aConsumerGroupTellsItsEpochs() {
        String group = name("group");
        var member = consumer("group.id=" + group, Protocol.CONSUMER.setting);
        member.subscribe(List.of(topic(1)));
        pollUntil(() -> member.assignment().size() == 1, member);
        var described = get(ADMIN.describeConsumerGroups(List.of(group)).all()).get(group);
        int epoch = member.groupMetadata().generationId();
        assertEquals(epoch, described.groupEpoch().orElseThrow());
        assertEquals(epoch, described.targetAssignmentEpoch().orElseThrow());
        assertEquals(epoch, described.members().iterator().next().memberEpoch().orElseThrow());
        assertEquals(true, described.members().iterator().next().upgraded().orElseThrow());
    }

    @Test
    void oneThatIsNotThere() {
        String group = name("none");
        refused(GroupIdNotFoundException.class, ADMIN.describeConsumerGroups(List.of(group)).all());
        refused(GroupIdNotFoundException.class, ADMIN.describeClassicGroups(List.of(group)).all());
    }
}
