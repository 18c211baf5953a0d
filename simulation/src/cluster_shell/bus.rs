//! The modelled bus. It delivers to each connected node, the sender as well, in order; and it may lose, repeat and delay messages,
//! be silent, or be down.

use std::time::Duration;

use vaultcast::cluster::{
    BusMessage, BusMessageBody,
    machine::{ClusterInput, MAX_JITTER},
};

use crate::{config::BusModel, log::Log, mistakes::Mistake, world::World};

use super::link::{LinkSession, RunningSweep};

/// Whether the bus does what it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BusService {
    #[default]
    Working,
    /// It accepts connections and messages, and delivers nothing.
    Silent,
    /// It refuses connections, and the existing ones break.
    Down,
}

impl World {
    /// Gives messages to the bus.
    pub(super) fn send_to_bus(&mut self, node: usize, messages: Vec<BusMessage>, log: &mut Log) {
        if let Some(link) = &mut self.nodes[node].link
            && link.session != LinkSession::Closed
        {
            link.sending = Some(messages);
            self.complete_if_prompt(node, log);
        }
    }

    pub(super) fn complete_if_prompt(&mut self, node: usize, log: &mut Log) {
        match self.config.bus {
            BusModel::Prompt => self.complete_bus(node, log),
            BusModel::Off | BusModel::Slow => {}
        }
    }

    /// The bus connects a node, or accepts what the node has given it. If it is down, the session of the node ends.
    pub fn complete_bus(&mut self, node: usize, log: &mut Log) {
        if self.bus == BusService::Down {
            return self.break_session(node, log);
        }
        let Some(link) = &mut self.nodes[node].link else {
            return;
        };
        match link.session {
            LinkSession::Closed => {}
            LinkSession::Connecting => {
                link.session = LinkSession::Connected;
                if self.config.mistake == Some(Mistake::DropSweepAtReconnect) {
                    link.sweep = RunningSweep::None;
                }
                self.cluster_input(node, ClusterInput::Connected, log);
            }
            LinkSession::Connected => {
                for message in link.sending.take().into_iter().flatten() {
                    self.publish_on_bus(&message, log);
                }
                self.cluster_input(node, ClusterInput::Sent, log);
            }
        }
    }

    fn publish_on_bus(&mut self, message: &BusMessage, log: &mut Log) {
        if self.bus != BusService::Working {
            return;
        }
        for node in 0..self.nodes.len() {
            let Some(link) = &mut self.nodes[node].link else {
                continue;
            };
            match (link.session, self.config.bus, &message.body) {
                (LinkSession::Closed | LinkSession::Connecting, _, _) => {}
                (LinkSession::Connected, BusModel::Prompt, BusMessageBody::Heads(_))
                    if message.sender != link.id =>
                {
                    link.incoming.push_back(message.clone());
                }
                (LinkSession::Connected, BusModel::Prompt, _) => {
                    self.receive_message(node, message.clone(), log);
                }
                (LinkSession::Connected, BusModel::Off | BusModel::Slow, _) => {
                    link.incoming.push_back(message.clone());
                }
            }
        }
    }

    /// The next message arrives at a node.
    pub fn deliver_message(&mut self, node: usize, log: &mut Log) {
        let link = self.nodes[node].link.as_mut();
        if let Some(message) = link.and_then(|link| link.incoming.pop_front()) {
            self.receive_message(node, message, log);
        }
    }

    fn receive_message(&mut self, node: usize, message: BusMessage, log: &mut Log) {
        if self.config.mistake == Some(Mistake::IgnoreHints)
            && matches!(message.body, BusMessageBody::Heads(_))
        {
            return;
        }
        // The receivers of a message follow it at different times.
        let jitter = Duration::from_millis((node as u64 + message.sender.0) % 4);
        let jitter = jitter.min(MAX_JITTER);
        self.cluster_input(node, ClusterInput::Received { message, jitter }, log);
    }

    /// The next message to a node is lost.
    pub fn lose_message(&mut self, node: usize) {
        if let Some(link) = &mut self.nodes[node].link {
            link.incoming.pop_front();
        }
    }

    /// The next message to a node comes once more, behind the others.
    pub fn repeat_message(&mut self, node: usize) {
        if let Some(link) = &mut self.nodes[node].link {
            let message = link.incoming.front().cloned();
            link.incoming.extend(message);
        }
    }

    /// The connection of a node to the bus breaks.
    pub fn break_session(&mut self, node: usize, log: &mut Log) {
        if let Some(link) = &mut self.nodes[node].link
            && link.session != LinkSession::Closed
        {
            link.close_session();
            self.cluster_input(node, ClusterInput::Disconnected, log);
        }
    }

    /// Completes the sweeps of a link that was just started.
    pub(super) fn settle_link(&mut self, node: usize, log: &mut Log) {
        while self.is_sweeping(node) {
            self.read_heads(node);
            self.end_sweep(node, log);
        }
    }
}
