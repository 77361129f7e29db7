package compatibility.admin;

import compatibility.BrokerTest;
import java.util.List;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.junit.jupiter.api.Test;

/** Where nobody checks access lists, asking for them says so instead of seeming to work. */
class SecurityTest extends BrokerTest {
    private static final AclBinding BINDING = new AclBinding(
        new ResourcePattern(ResourceType.TOPIC, "topic", PatternType.LITERAL),
        new AccessControlEntry("User:somebody", "*", AclOperation.READ, AclPermissionType.ALLOW));

    @Test
    void accessListsAreRefused() {
        refused(SecurityDisabledException.class, ADMIN.describeAcls(AclBindingFilter.ANY).values());
        refused(SecurityDisabledException.class, ADMIN.createAcls(List.of(BINDING)).all());
        refused(SecurityDisabledException.class, ADMIN.deleteAcls(List.of(BINDING.toFilter())).all());
    }
}
