//! The reads of vault actors. Their results may overtake each other.

use vaultcast::vault::{VaultError, machine::VaultInput};

use crate::{log::Log, node::Read, world::World};
impl World {
    /// Performs a read, whose result reaches the actor later.
    pub fn execute_read(&mut self, node: usize, vault: usize, index: usize) {
        let read = self.vault_actor(node, vault).reads.remove(index);
        let rows = &self.database.vaults[vault];
        let input = match read {
            Read::Membership { request, user } => VaultInput::MembershipRead {
                request,
                result: Ok(rows.vault.members.contains(&user)),
            },
            Read::Head => VaultInput::HeadRead(Ok(Some(rows.vault.head))),
            Read::Page {
                request,
                after,
                limit,
            } => VaultInput::PageRead {
                request,
                result: Ok(rows.records_after(after, limit)),
            },
            Read::Missed { purpose, after } => VaultInput::MissedRead {
                purpose,
                result: Ok(rows.after(after).cloned().collect()),
            },
        };
        self.vault_actor(node, vault).results.push(input);
    }

    /// A read fails.
    pub fn fail_read(&mut self, node: usize, vault: usize, index: usize) {
        let error = VaultError::Unavailable;
        let actor = self.vault_actor(node, vault);
        let input = match actor.reads.remove(index) {
            Read::Membership { request, .. } => VaultInput::MembershipRead {
                request,
                result: Err(error),
            },
            Read::Head => VaultInput::HeadRead(Err(error)),
            Read::Page { request, .. } => VaultInput::PageRead {
                request,
                result: Err(error),
            },
            Read::Missed { purpose, .. } => VaultInput::MissedRead {
                purpose,
                result: Err(error),
            },
        };
        actor.results.push(input);
    }

    /// Gives a result to the machine.
    pub fn deliver_result(&mut self, node: usize, vault: usize, index: usize, log: &mut Log) {
        let input = self.vault_actor(node, vault).results.remove(index);
        self.vault_input(node, vault, input, log);
    }
}
