//! How a connected user comes and goes: he takes the seats again that he had, and what he leaves is kept.

use std::{mem, rc::Rc};

use crate::{
    domain::UserId,
    engineio::CloseReason,
    gateway::{recovery::Kept, trace::Resumed},
};

use super::{Connection, Context};

impl Connection {
    /// Takes its place among those who may come back, and its seats again.
    pub(super) fn enter(&self, resumed: Vec<Resumed>) {
        let Context {
            vaults,
            relay,
            recovery,
            ..
        } = &self.0.context;
        if let Some(pid) = &self.0.pid {
            relay.entered(pid, self.clone());
            recovery.entered(pid, relay.address().clone());
        }
        for one in resumed {
            let vault = one.vault.clone();
            let seat = relay.resume(vaults.open(&vault), &self.0.listener, one);
            self.0.seats.borrow_mut().insert(vault, seat);
        }
    }

    /// Keeps what it leaves, so that it can be taken up elsewhere, and is sent nothing more from here on. Not for
    /// somebody else's sake.
    pub(in crate::gateway) fn let_go(&self, whose: Option<&UserId>) -> bool {
        let is_his = whose.is_none_or(|user| *user == self.0.by.id);
        if is_his && !self.0.has_left.get() {
            self.leave_all(true);
        }
        is_his
    }

    /// Leaves every vault, once; what it leaves is kept where it may come back.
    fn leave_all(&self, may_come_back: bool) {
        if self.0.has_left.replace(true) {
            return;
        }
        let Context {
            relay, recovery, ..
        } = &self.0.context;
        self.0.waiting.borrow_mut().clear();
        self.0.place.take();
        let seats = self.0.seats.take();
        if let Some(pid) = &self.0.pid {
            let trace = self.0.listener.trace(mem::take).filter(|_| may_come_back);
            match trace {
                Some(mut trace) => {
                    self.0.context.meters.forgotten.inc_by(trace.take_dropped());
                    let pending = seats.iter().flat_map(|(id, seat)| {
                        let joins = relay.joins(id, *seat).into_iter();
                        joins.map(|join| (id.clone(), join))
                    });
                    let kept = Kept {
                        user: self.0.by.id.clone(),
                        id: self.0.socket.id().to_owned(),
                        trace,
                        pending: pending.collect(),
                    };
                    recovery.keep(pid, kept);
                }
                None => recovery.forget(pid, relay.address()),
            }
        }
        for (id, seat) in seats {
            relay.leave(&id, seat);
        }
    }

    /// Closes the transport; the client comes back.
    pub(in crate::gateway) fn close(&self, reason: CloseReason) {
        self.0.socket.close(reason);
    }

    /// Whether this is another handle to the same.
    pub(in crate::gateway) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// It is gone, however that came about.
    pub(in crate::gateway) fn end(&self, may_come_back: bool) {
        self.leave_all(may_come_back);
        if let Some(pid) = &self.0.pid {
            self.0.context.relay.left(pid, self);
        }
    }
}
