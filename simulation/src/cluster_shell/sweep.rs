//! The sweep: the modelled read of the heads of subscribed vaults.

use vaultcast::{
    cluster::machine::ClusterInput,
    domain::{Seq, VaultHead},
    journal::JournalHeads,
};

use crate::{
    database::EPOCH,
    log::Log,
    mistakes::Mistake,
    names::{vault_id, vault_index},
    node::Stage,
    world::World,
};

use super::link::RunningSweep;

impl World {
    pub(super) fn begin_sweep(&mut self, node: usize) {
        let known = self.subscribed(node);
        if let Some(link) = &mut self.nodes[node].link {
            link.sweep = RunningSweep::Requested(known);
        }
    }

    pub(super) fn is_sweeping(&self, node: usize) -> bool {
        let link = self.nodes[node].link.as_ref();
        link.is_some_and(|link| link.sweep != RunningSweep::None)
    }

    /// Returns the vaults that have subscribers on a node, with their heads.
    fn subscribed(&self, node: usize) -> Vec<VaultHead> {
        let vaults = self.nodes[node].vaults.iter();
        let subscribed = vaults
            .filter(|(_, actor)| actor.stage == Stage::Running && actor.machine.subscribers() > 0);
        let with_head = subscribed.filter_map(|(vault, actor)| {
            let head = actor.machine.head()?;
            let vault = vault_id(*vault);
            Some(VaultHead { vault, head })
        });
        with_head.collect()
    }

    /// The database compares the heads of a sweep.
    pub fn read_heads(&mut self, node: usize) {
        let Some(link) = &mut self.nodes[node].link else {
            return;
        };
        let RunningSweep::Requested(known) = &link.sweep else {
            return;
        };
        let mut found = JournalHeads {
            epoch: EPOCH.to_owned(),
            ..JournalHeads::default()
        };
        for VaultHead { vault, head } in known {
            let journal = Seq(self.database.vaults[vault_index(vault)].head());
            if journal > *head {
                found.changed.push(VaultHead {
                    vault: vault.clone(),
                    head: journal,
                });
            } else if journal < *head {
                found.rewound.push(vault.clone());
            }
        }
        link.sweep = RunningSweep::Read(found);
    }

    /// The result of a sweep reaches the machine, without the heads that the node has reached meanwhile.
    pub fn end_sweep(&mut self, node: usize, log: &mut Log) {
        let mistake = self.config.mistake;
        let this = &mut self.nodes[node];
        let Some(link) = &mut this.link else {
            return;
        };
        let RunningSweep::Read(mut heads) = std::mem::replace(&mut link.sweep, RunningSweep::None)
        else {
            return;
        };
        heads.changed.retain(|found| {
            let actor = this.vaults.get(&vault_index(&found.vault));
            actor.is_some_and(|actor| actor.machine.head().is_none_or(|head| head < found.head))
        });
        if mistake == Some(Mistake::IgnoreSweep) {
            heads.changed.clear();
        }
        self.cluster_input(node, ClusterInput::Swept(Some(heads)), log);
    }

    /// The database does not answer a sweep.
    pub fn fail_sweep(&mut self, node: usize, log: &mut Log) {
        if let Some(link) = &mut self.nodes[node].link {
            link.sweep = RunningSweep::None;
            self.cluster_input(node, ClusterInput::Swept(None), log);
        }
    }
}
