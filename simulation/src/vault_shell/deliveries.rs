//! The notices of vault actors on their way to the relays.

use std::sync::Arc;

use vaultcast::vault::{
    AttachOutcome, Attached, Notice, NoticeBody, NoticeReceivers, REPLAY_PAGE, SinkId,
};

use crate::{mistakes::Mistake, node::RelayMessage, promises::Promise, world::World};
impl World {
    /// Delivers a notice to a relay. Returns whether it had room.
    pub(super) fn deliver(
        &mut self,
        node: usize,
        vault: usize,
        sink: SinkId,
        to: NoticeReceivers,
        notice: Arc<Notice>,
    ) -> bool {
        if let NoticeBody::Event(record) = &notice.body {
            let entry = self.database.vaults[vault].event(record.seq.0);
            if entry.is_none_or(|entry| entry.event.record != *record) {
                self.fail(
                    Promise::OnDiskFirst,
                    format!("vault {vault}: event {} is not on disk", record.seq.0),
                );
            }
        }
        let mistake = self.config.mistake;
        if mistake == Some(Mistake::KeepRemovedMember) && notice.body == NoticeBody::Removed {
            return true;
        }
        let notice = match (&notice.body, mistake) {
            (NoticeBody::Attached(attached), Some(Mistake::LiveBeforeReplayIsComplete))
                if matches!(attached.outcome, AttachOutcome::More) =>
            {
                let attached = Attached {
                    outcome: AttachOutcome::Live,
                    ..attached.clone()
                };
                Notice::new(NoticeBody::Attached(attached), notice.created)
            }
            _ => notice,
        };
        let bound = self.config.relay_mailbox;
        let Some(relay) = self.nodes[node]
            .relays
            .iter_mut()
            .find(|relay| relay.sink == sink)
        else {
            return true; // it has ended, and nothing receives its notices
        };
        let message = RelayMessage::Notice { vault, to, notice };
        let used = relay.used();
        if used > 0 && used + message.weight() > bound {
            return false;
        }
        relay.mailbox.push_back(message);
        let used = relay.used();
        if used > bound.max(REPLAY_PAGE + 1) {
            self.fail(
                Promise::Bounds,
                format!("the mailbox of sink {} has {used} notices", sink.0),
            );
        }
        true
    }

    /// Reports to a relay that its seats of a vault receive nothing more.
    pub fn report_behind(&mut self, node: usize, vault: usize, sink: SinkId) {
        self.disturbances[vault] += 1;
        let relays = self.nodes[node].relays.iter_mut();
        if let Some(relay) = relays.into_iter().find(|relay| relay.sink == sink) {
            relay.mailbox.push_back(RelayMessage::FellBehind(vault));
        }
    }
}
