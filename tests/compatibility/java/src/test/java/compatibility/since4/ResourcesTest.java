package compatibility.since4;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import compatibility.BrokerTest;
import java.util.Set;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.Test;

/** What can have properties: topics and the broker among others, and no clients' metrics. */
class ResourcesTest extends BrokerTest {
    @Test
    void byType() {
        String topic = topic(1);
        String node = get(ADMIN.describeCluster().nodes()).iterator().next().idString();
        var options = new ListConfigResourcesOptions();
        assertTrue(get(ADMIN.listConfigResources(Set.of(ConfigResource.Type.TOPIC), options).all()).contains(
            new ConfigResource(ConfigResource.Type.TOPIC, topic)));
        assertEquals(Set.of(new ConfigResource(ConfigResource.Type.BROKER, node)),
            Set.copyOf(get(ADMIN.listConfigResources(Set.of(ConfigResource.Type.BROKER), options).all())));
        assertEquals(Set.of(), Set.copyOf(get(ADMIN.listConfigResources(Set.of(ConfigResource.Type.CLIENT_METRICS), options).all())));
    }

    @Test
    void whateverIsListedCanBeDescribed() {
        var listed = get(ADMIN.listConfigResources().all()).stream().filter(resource -> resource.type() != ConfigResource.Type.TOPIC).toList();
        assertEquals(Set.copyOf(listed), get(ADMIN.describeConfigs(listed).all()).keySet());
    }
}
