package compatibility.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.Test;

/** One node, which leads everything: there is nothing to elect and nowhere to move to. */
class ClusterTest extends BrokerTest {
    @Test
    void itsNodeAndItsId() {
        var cluster = ADMIN.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
        var nodes = get(cluster.nodes());
        assertEquals(List.of(BROKER), nodes.stream().map(node -> node.host() + ":" + node.port()).toList());
        assertEquals(nodes.iterator().next(), get(cluster.controller()));
        assertFalse(get(cluster.clusterId()).isBlank());
        assertEquals(get(cluster.clusterId()), get(ADMIN.describeCluster().clusterId()));
        assertTrue(get(cluster.authorizedOperations()).contains(AclOperation.CREATE));
    }

    @Test
    void whatTransactionsAndGroupsCanDo() {
        var features = get(ADMIN.describeFeatures().featureMetadata());
        assertEquals(2, features.finalizedFeatures().get("transaction.version").maxVersionLevel());
        assertEquals(1, features.finalizedFeatures().get("group.version").maxVersionLevel());
        assertTrue(features.supportedFeatures().containsKey("transaction.version"));
    }

    @Test
    void noElectionIsNeeded() {
        var place = new TopicPartition(topic(1), 0);
        var none = new TopicPartition(name("none"), 0);
        for (var type : ElectionType.values()) {
            var results = get(ADMIN.electLeaders(type, Set.of(place, none)).partitions());
            assertEquals(ElectionNotNeededException.class, results.get(place).orElseThrow().getClass());
            assertEquals(UnknownTopicOrPartitionException.class, results.get(none).orElseThrow().getClass());
        }
    }

    @Test
    void nothingMoves() {
        var place = new TopicPartition(topic(1), 0);
        int node = get(ADMIN.describeCluster().nodes()).iterator().next().id();
        get(ADMIN.alterPartitionReassignments(Map.of(place, Optional.of(new NewPartitionReassignment(List.of(node))))).all());
        refused(InvalidReplicaAssignmentException.class,
            ADMIN.alterPartitionReassignments(Map.of(place, Optional.of(new NewPartitionReassignment(List.of(node + 100))))).all());
        refused(NoReassignmentInProgressException.class, ADMIN.alterPartitionReassignments(Map.of(place, Optional.empty())).all());
        assertEquals(Map.of(), get(ADMIN.listPartitionReassignments().reassignments()));
        assertEquals(Map.of(), get(ADMIN.listPartitionReassignments(Set.of(place)).reassignments()));
    }

    @Test
    void theSizeOfEachPartition() {
        String topic = topic(2);
        int node = get(ADMIN.describeCluster().nodes()).iterator().next().id();
        send(topic, 0, "x".repeat(1000));
        var dirs = get(ADMIN.describeLogDirs(List.of(node)).allDescriptions()).get(node);
        assertEquals(1, dirs.size());
        var dir = dirs.values().iterator().next();
        assertEquals(null, dir.error());
        assertEquals(1000 + 61 + 9, dir.replicaInfos().get(new TopicPartition(topic, 0)).size());
        assertEquals(0, dir.replicaInfos().get(new TopicPartition(topic, 1)).size());
        assertEquals(0, dir.replicaInfos().get(new TopicPartition(topic, 0)).offsetLag());
        assertFalse(dir.replicaInfos().get(new TopicPartition(topic, 0)).isFuture());
        assertTrue(dir.totalBytes().getAsLong() >= dir.usableBytes().getAsLong());
    }
}
