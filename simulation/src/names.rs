//! The names of vaults, users and sources in a simulation.

use vaultcast::domain::{
    Command, Mutation, NewSource, Principal, Role, SourceId, UserId, UserRef, VaultId,
    ids::MembershipId,
};

/// Returns the id of the vault with this index.
pub fn vault_id(index: usize) -> VaultId {
    VaultId::from_row(format!("cvault{index:04}"))
}

/// Returns the index of a vault.
pub fn vault_index(id: &VaultId) -> usize {
    let digits = id.as_str().trim_start_matches("cvault");
    digits.parse().unwrap_or(usize::MAX)
}

/// Returns the id of the user of this client.
pub fn user_id(client: usize) -> UserId {
    UserId::from_row(format!("u{client}"))
}

/// A change that a client requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Create,
    /// Add the user of this client as a contributor.
    Add(usize),
    /// Remove the user of this client.
    Remove(usize),
    Delete,
}

/// Returns the mutation with this number.
pub fn mutation(number: u64, author: usize, change: Change) -> Mutation {
    let command = match change {
        Change::Create => Command::CreateSource {
            id: SourceId::from_row(format!("csource{number:07}")),
            source: NewSource {
                title: String::new(),
                file_url: String::new(),
                file_key: None,
                file_size: None,
                mime_type: String::new(),
            },
        },
        Change::Add(client) => Command::AddMember {
            id: MembershipId::from_row(format!("cmember{number:07}")),
            user: UserRef::Id(user_id(client)),
            role: Role::Contributor,
        },
        Change::Remove(client) => Command::RemoveMember {
            user: user_id(client),
        },
        Change::Delete => Command::Delete,
    };
    Mutation {
        by: Principal {
            id: user_id(author),
            name: None,
            email: None,
        },
        command,
        key: None,
    }
}
