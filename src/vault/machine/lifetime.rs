//! How long a vault has not been used, and when the machine is woken up.

use std::time::Duration;

use crate::domain::MonotonicTime;

use super::input::VaultInput;

/// The idle check and the requested wake-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lifetime {
    pub(super) usage: Usage,
    /// The time of the next idle check, once the vault is loaded.
    pub(super) idle_check_at: Option<MonotonicTime>,
    /// The requested wake-up that has not come yet.
    pub(super) wake_at: Option<MonotonicTime>,
}

/// Whether a request arrived since the last idle check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Usage {
    /// Also before the first check: the vault was loaded for a request.
    #[default]
    Used,
    Unused,
}

impl Lifetime {
    pub(super) fn start(&mut self, idle: Duration, now: MonotonicTime) {
        self.idle_check_at = Some(now + idle);
    }

    /// Records an input that is a request, which keeps the vault loaded.
    pub(super) fn record_use(&mut self, input: &VaultInput) {
        match input {
            VaultInput::Submit { .. }
            | VaultInput::Subscribe(_)
            | VaultInput::Leave(_)
            | VaultInput::SinkReady(_) => self.usage = Usage::Used,
            VaultInput::Opened(_)
            | VaultInput::Committed(_)
            | VaultInput::SinkFull(_)
            | VaultInput::SinkClosed(_)
            | VaultInput::MembershipRead { .. }
            | VaultInput::HeadRead(_)
            | VaultInput::PageRead { .. }
            | VaultInput::MissedRead { .. }
            | VaultInput::RemoteHead(_)
            | VaultInput::HeadWentBack
            | VaultInput::HistoryReplaced
            | VaultInput::Tick
            | VaultInput::Unload
            | VaultInput::Reconfigure(_) => {}
        }
    }
}
