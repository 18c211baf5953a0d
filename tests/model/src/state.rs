//! The state of the model, the actions that are possible in a state, and their effects.

use stateright::{Model, Property};

use crate::{
    bounds::ModelBounds,
    client::{ClientTransport, ModelClient, ModelConnection, ProbeState},
    journal::{ModelAnswer, ModelJournal, ModelSharedState, Transaction, TransactionOutcome},
    promises,
    relay::{self, ModelQuery, ModelRelayMessage},
    session::{ModelFrame, ModelRecoveryState, ModelSession, ModelSessionPhase, ModelTransport},
    vault::{ModelHeadCheck, ModelSubscriberId, ModelVault},
};

/// The complete state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelState {
    pub shared: ModelSharedState,
    pub processes: Vec<Process>,
    pub clients: Vec<ModelClient>,
}

/// A process with one vault, one relay, and the relay's sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Process {
    pub vault: Option<ModelVault>,
    /// The transactions that hold the vault's writer lease: those in the committer's queue, and those that have ended
    /// without their result having been handled.
    pub transactions: Vec<Transaction>,
    /// The relay's mailbox, oldest message first.
    pub relay_messages: Vec<ModelRelayMessage>,
    /// Answers that bypass the mailbox because of the injected mistake `AnswerOutsideMailbox`.
    pub unordered_answers: Vec<ModelRelayMessage>,
    /// The relay fell behind and must resume all its subscriptions.
    pub must_catch_up: bool,
    /// The last ticket that was used for a query.
    pub last_ticket: u8,
    pub sessions: Vec<ModelSession>,
    /// The states of ended sockets whose clients may recover the connection.
    pub recovery_states: Vec<ModelRecoveryState>,
    /// The relay has detected a gap, which must never happen.
    pub gap_detected: bool,
}

/// A step of the model. The first number is the index of the process or, for an action of a client, of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelAction {
    /// A caller submits the next mutation to this process.
    Submit(u8),

    // The vault actor.
    Load(u8),
    HandleMessage(u8),
    CommitNext(u8),
    Committed(u8),
    ReadMissedEvents(u8),
    /// Reads the journal's head for a head check.
    ReadHead(u8),
    CompareHead(u8),
    /// Reads a replay page from the journal.
    ReadPage(u8, usize),
    /// Answers with a replay page that was read.
    HandlePage(u8, usize),

    // The committer.
    /// Ends the oldest transaction with this outcome.
    Write(u8, TransactionOutcome),

    // The relay.
    /// Handles the next message of the relay's mailbox.
    Deliver(u8),
    /// Handles an answer that bypassed the mailbox.
    DeliverUnordered(u8),
    CatchUp(u8),
    AcquireReplayPermit(u8, ModelSubscriberId),

    // A session.
    AnswerPoll(u8, ModelSubscriberId),
    /// Answers the parked poll with an empty packet during an upgrade.
    ReleasePoll(u8, ModelSubscriberId),
    CloseSession(u8, ModelSubscriberId),
    /// Detects that the client does not use the session any more.
    DetectDisconnect(u8, ModelSubscriberId),
    SendPing(u8, ModelSubscriberId),

    // A client.
    /// Connects this client to this process.
    Connect(u8, u8),
    Poll(u8),
    ReceivePollAnswer(u8),
    ReceiveFrame(u8),
    ReceiveClose(u8),
    SendProbe(u8),
    ReceiveProbeAnswer(u8),
    CompleteUpgrade(u8),
    Leave(u8),

    // Failures and retention.
    CutConnection(u8),
    KillProcess(u8),
    PanicVault(u8),
    TrimJournal,
}

impl ModelState {
    fn new(bounds: &ModelBounds) -> Self {
        // A ticket is the offset of a join. A client may send it to another process, so each process has its own
        // tickets.
        let process = |n: u8| Process {
            last_ticket: n * relay::TICKETS_PER_PROCESS,
            ..Process::default()
        };
        Self {
            shared: ModelSharedState {
                journal: ModelJournal::default(),
                answers: Vec::new(),
                budget: bounds.budget.clone(),
                sockets: 0,
            },
            processes: (0..bounds.processes).map(process).collect(),
            clients: vec![ModelClient::default(); bounds.clients.into()],
        }
    }

    /// Returns the actions that happen sooner or later. A state without such an action is quiescent.
    pub fn progress_actions(&self, bounds: &ModelBounds) -> Vec<ModelAction> {
        let mut actions = Vec::new();
        for (p, process) in (0..).zip(&self.processes) {
            process.progress_actions(p, bounds, &mut actions);
        }
        for (c, client) in (0..).zip(&self.clients) {
            let Some(connection) = &client.connection else {
                actions.extend((0..bounds.processes).map(|p| ModelAction::Connect(c, p)));
                continue;
            };
            let Some(session) = self.session(connection) else {
                continue;
            };
            let has_answer = match &session.transport {
                ModelTransport::Polling { answer, .. } => answer.is_some(),
                ModelTransport::WebSocket => false,
            };
            if session.has_readable_frame(bounds) {
                actions.push(ModelAction::ReceiveFrame(c));
            }
            if has_answer {
                actions.push(ModelAction::ReceivePollAnswer(c));
            }
            let is_reading = match connection.transport {
                ClientTransport::Polling {
                    poll_pending: false,
                    probe,
                } => {
                    actions.push(match probe {
                        ProbeState::None | ProbeState::Sent => ModelAction::Poll(c),
                        ProbeState::Answered => ModelAction::CompleteUpgrade(c),
                    });
                    false
                }
                ClientTransport::Polling { .. } | ClientTransport::WebSocket => !has_answer,
            };
            if is_reading
                && session.phase == ModelSessionPhase::Closing
                && session.outbox.is_empty()
            {
                actions.push(ModelAction::ReceiveClose(c));
            }
            if let ClientTransport::Polling {
                probe: ProbeState::Sent,
                ..
            } = connection.transport
            {
                actions.push(ModelAction::ReceiveProbeAnswer(c));
            }
        }
        actions
    }

    /// Returns the actions that may happen or not: requests and failures.
    fn optional_actions(&self, bounds: &ModelBounds) -> Vec<ModelAction> {
        let (budget, mut actions) = (&self.shared.budget, Vec::new());
        if self.shared.answers.len() < bounds.mutations.len() {
            actions.extend((0..bounds.processes).map(ModelAction::Submit));
        }
        if budget.trims > 0 && self.shared.journal.trimmed < self.shared.journal.head() {
            actions.push(ModelAction::TrimJournal);
        }
        for (p, process) in (0..).zip(&self.processes) {
            if process
                .transactions
                .iter()
                .any(|transaction| transaction.result.is_none())
            {
                if budget.rollbacks > 0 {
                    actions.push(ModelAction::Write(p, TransactionOutcome::RolledBack));
                }
                if budget.unknown_commits > 0 {
                    let unknown =
                        |happened| ModelAction::Write(p, TransactionOutcome::Unknown { happened });
                    actions.extend([true, false].map(unknown));
                }
            }
            if budget.panics > 0 && process.vault.is_some() {
                actions.push(ModelAction::PanicVault(p));
            }
            if budget.kills > 0 {
                actions.push(ModelAction::KillProcess(p));
            }
            for session in process.sessions.iter().filter(|session| session.has_client) {
                if budget.heartbeats > 0 && session.phase == ModelSessionPhase::Open {
                    actions.push(ModelAction::SendPing(p, session.id));
                }
            }
        }
        for (c, client) in (0..).zip(&self.clients) {
            let Some(connection) = &client.connection else {
                continue;
            };
            if budget.cuts > 0 {
                actions.push(ModelAction::CutConnection(c));
            }
            if budget.leaves > 0
                && connection.connected
                && (client.view.joined || client.view.pending_join.is_some())
            {
                actions.push(ModelAction::Leave(c));
            }
            if let ClientTransport::Polling {
                probe: ProbeState::None,
                ..
            } = connection.transport
            {
                actions.push(ModelAction::SendProbe(c));
            }
        }
        actions
    }

    /// Returns the session of a connection, if the process still has it.
    fn session(&self, connection: &ModelConnection) -> Option<&ModelSession> {
        let process = &self.processes[usize::from(connection.process)];
        process
            .sessions
            .iter()
            .find(|session| session.id == connection.session)
    }

    /// Performs an action.
    fn apply(&mut self, action: ModelAction, bounds: &ModelBounds) {
        use ModelAction::*;
        match action {
            Submit(p) => {
                let mutation = self.shared.answers.len() as u8;
                self.shared.answers.push(ModelAnswer::Pending(p));
                let vault = self.processes[usize::from(p)].vault();
                vault
                    .mailbox
                    .push(crate::vault::ModelVaultMessage::Submit(mutation));
            }
            TrimJournal => {
                self.shared.budget.trims -= 1;
                self.shared.journal.trimmed += 1;
            }
            KillProcess(p) => self.kill(p),
            Connect(c, p) => self.connect(c, p, bounds),
            CutConnection(c) => self.cut(c),
            Poll(c)
            | ReceivePollAnswer(c)
            | ReceiveFrame(c)
            | ReceiveClose(c)
            | SendProbe(c)
            | ReceiveProbeAnswer(c)
            | CompleteUpgrade(c)
            | Leave(c) => {
                self.apply_to_client(c, &action, bounds);
            }
            Load(p)
            | HandleMessage(p)
            | CommitNext(p)
            | Committed(p)
            | ReadMissedEvents(p)
            | ReadHead(p)
            | CompareHead(p)
            | ReadPage(p, _)
            | HandlePage(p, _)
            | Write(p, _)
            | Deliver(p)
            | DeliverUnordered(p)
            | CatchUp(p)
            | AcquireReplayPermit(p, _)
            | AnswerPoll(p, _)
            | ReleasePoll(p, _)
            | CloseSession(p, _)
            | DetectDisconnect(p, _)
            | SendPing(p, _)
            | PanicVault(p) => {
                let process = &mut self.processes[usize::from(p)];
                let catches_up = action == CatchUp(p);
                process.apply(action, &mut self.shared, bounds);
                if catches_up {
                    let is_connected_here = |client: &&mut ModelClient| {
                        client
                            .connection
                            .as_ref()
                            .is_some_and(|connection| connection.process == p)
                    };
                    self.clients
                        .iter_mut()
                        .filter(is_connected_here)
                        .for_each(|client| client.view.restart_pending_join());
                }
            }
        }
        self.drop_unclaimable_states();
    }

    /// Kills a process. Its callers and clients lose their connections.
    fn kill(&mut self, p: u8) {
        self.shared.budget.kills -= 1;
        let process = &mut self.processes[usize::from(p)];
        let (last_ticket, gap_detected) = (process.last_ticket, process.gap_detected);
        *process = Process {
            last_ticket,
            gap_detected,
            ..Process::default()
        };
        for answer in self
            .shared
            .answers
            .iter_mut()
            .filter(|answer| **answer == ModelAnswer::Pending(p))
        {
            *answer = ModelAnswer::ConnectionLost;
        }
        for client in &mut self.clients {
            client
                .connection
                .take_if(|connection| connection.process == p);
        }
    }

    /// Connects a client to a process.
    fn connect(&mut self, c: u8, p: u8, bounds: &ModelBounds) {
        let client = &mut self.clients[usize::from(c)];
        let session = self.shared.sockets;
        self.shared.sockets += 1;
        let process = &mut self.processes[usize::from(p)];
        let claim = (client.pid, client.offset);
        process.connect((session, c), claim, &self.shared.journal, bounds);
        let transport = match bounds.polling {
            true => ClientTransport::Polling {
                poll_pending: false,
                probe: ProbeState::None,
            },
            false => ClientTransport::WebSocket,
        };
        client.connection = Some(ModelConnection {
            process: p,
            session,
            connected: false,
            transport,
        });
    }

    /// Ends a client's connection, with all frames that are on their way to the client.
    fn cut(&mut self, c: u8) {
        self.shared.budget.cuts -= 1;
        let Some(connection) = self.clients[usize::from(c)].connection.take() else {
            return;
        };
        let process = &mut self.processes[usize::from(connection.process)];
        if let Some(session) = process
            .sessions
            .iter_mut()
            .find(|session| session.id == connection.session)
        {
            session.has_client = false;
            session.outbox.clear();
            session.transport = ModelTransport::WebSocket; // the transport makes no difference any more
        }
    }

    /// Performs an action of a connected client.
    fn apply_to_client(&mut self, c: u8, action: &ModelAction, bounds: &ModelBounds) {
        let client = &mut self.clients[usize::from(c)];
        let Some(connection) = &mut client.connection else {
            return;
        };
        let process = &mut self.processes[usize::from(connection.process)];
        let Some(n) = process
            .sessions
            .iter()
            .position(|session| session.id == connection.session)
        else {
            return;
        };
        let session = &mut process.sessions[n];
        let frames = match (action, &mut session.transport, &mut connection.transport) {
            (
                ModelAction::Poll(_),
                ModelTransport::Polling { parked, .. },
                ClientTransport::Polling { poll_pending, .. },
            ) => {
                (*parked, *poll_pending) = (true, true);
                Vec::new()
            }
            (
                ModelAction::ReceivePollAnswer(_),
                ModelTransport::Polling { answer, .. },
                ClientTransport::Polling { poll_pending, .. },
            ) => {
                *poll_pending = false;
                answer.take().unwrap_or_default()
            }
            (
                ModelAction::SendProbe(_),
                ModelTransport::Polling { probed, .. },
                ClientTransport::Polling { probe, .. },
            ) => {
                (*probed, *probe) = (true, ProbeState::Sent);
                session.release_poll();
                Vec::new()
            }
            (ModelAction::ReceiveProbeAnswer(_), _, ClientTransport::Polling { probe, .. }) => {
                *probe = ProbeState::Answered;
                Vec::new()
            }
            (ModelAction::CompleteUpgrade(_), server_transport, client_transport) => {
                (*server_transport, *client_transport) =
                    (ModelTransport::WebSocket, ClientTransport::WebSocket);
                Vec::new()
            }
            (ModelAction::ReceiveFrame(_), _, _) => vec![session.outbox.remove(0)],
            (ModelAction::Leave(_), _, _) => {
                self.shared.budget.leaves -= 1;
                client.view.wants_subscription = false;
                process.leave(n, bounds);
                process.sessions[n].push(ModelFrame::Left, bounds);
                Vec::new()
            }
            (ModelAction::ReceiveClose(_), _, _) => {
                process.sessions.remove(n);
                client.connection = None;
                Vec::new()
            }
            (action, _, _) => unreachable!("{action:?} is not possible in this state"),
        };
        for frame in frames {
            if frame == ModelFrame::Ping {
                process.sessions[n].trace.record_pong();
            }
            if let Some(attach) = client.receive(c, frame, &self.shared, bounds)
                && process.sessions[n].phase == ModelSessionPhase::Open
            {
                process.join(n, attach, bounds);
            }
        }
    }

    /// Drops the recovery states whose pid no client knows or will receive.
    fn drop_unclaimable_states(&mut self) {
        for process in &mut self.processes {
            let Process {
                recovery_states,
                sessions,
                ..
            } = process;
            recovery_states.retain(|state| {
                let will_receive =
                    |session: &ModelSession| session.has_client && session.pid == state.pid;
                let knows = |client: &ModelClient| client.pid == Some(state.pid);
                self.clients.iter().any(knows) || sessions.iter().any(will_receive)
            });
        }
    }
}

impl Process {
    /// Adds the progress actions of this process, which has the index `p`.
    fn progress_actions(&self, p: u8, bounds: &ModelBounds, actions: &mut Vec<ModelAction>) {
        let mut add =
            |is_possible: bool, action: ModelAction| actions.extend(is_possible.then_some(action));
        add(self.can_load(bounds), ModelAction::Load(p));
        add(self.can_commit(), ModelAction::CommitNext(p));
        add(self.transaction_has_ended(), ModelAction::Committed(p));
        let is_in_flight = |transaction: &Transaction| transaction.result.is_none();
        add(
            self.transactions.iter().any(is_in_flight),
            ModelAction::Write(p, TransactionOutcome::Committed),
        );
        if let Some(vault) = self.vault.as_ref().filter(|vault| vault.open.is_some()) {
            add(!vault.mailbox.is_empty(), ModelAction::HandleMessage(p));
            add(
                vault.missed_read.is_some(),
                ModelAction::ReadMissedEvents(p),
            );
            match vault.joins.check {
                ModelHeadCheck::Reading(_, None) => add(true, ModelAction::ReadHead(p)),
                ModelHeadCheck::Reading(_, Some(_)) => {
                    add(vault.missed_read.is_none(), ModelAction::CompareHead(p))
                }
                ModelHeadCheck::Idle | ModelHeadCheck::Ahead(..) => {}
            }
            for (n, page) in vault.page_reads.iter().enumerate() {
                add(page.read.is_none(), ModelAction::ReadPage(p, n));
                add(page.read.is_some(), ModelAction::HandlePage(p, n));
            }
        }
        add(!self.relay_messages.is_empty(), ModelAction::Deliver(p));
        add(
            !self.unordered_answers.is_empty(),
            ModelAction::DeliverUnordered(p),
        );
        add(
            self.must_catch_up && self.relay_messages.is_empty(),
            ModelAction::CatchUp(p),
        );
        for (n, session) in self.sessions.iter().enumerate() {
            let query = session
                .subscription
                .as_ref()
                .and_then(|subscription| subscription.query.as_ref());
            let awaits_permit = query == Some(&ModelQuery::AwaitingPermit);
            add(
                awaits_permit && self.can_acquire_permit(n, bounds),
                ModelAction::AcquireReplayPermit(p, session.id),
            );
            if let ModelTransport::Polling {
                parked: true,
                probed,
                ..
            } = session.transport
            {
                add(
                    !session.outbox.is_empty(),
                    ModelAction::AnswerPoll(p, session.id),
                );
                add(probed, ModelAction::ReleasePoll(p, session.id));
            }
            add(
                session.has_client && session.phase == ModelSessionPhase::Sealed,
                ModelAction::CloseSession(p, session.id),
            );
            add(
                !session.has_client,
                ModelAction::DetectDisconnect(p, session.id),
            );
        }
    }

    /// Performs an action of this process.
    fn apply(&mut self, action: ModelAction, shared: &mut ModelSharedState, bounds: &ModelBounds) {
        let index_of = |process: &Self, id| {
            let n = process.sessions.iter().position(|session| session.id == id);
            n.expect("the session of the action exists")
        };
        match action {
            ModelAction::Load(_) => self.load(shared),
            ModelAction::HandleMessage(_) => self.handle_message(shared, bounds),
            ModelAction::CommitNext(_) => self.commit_next(shared, bounds),
            ModelAction::Write(_, outcome) => self.write(outcome, shared, bounds),
            ModelAction::Committed(_) => self.committed(shared, bounds),
            ModelAction::ReadMissedEvents(_) => self.read_missed_events(shared, bounds),
            ModelAction::ReadHead(_) => {
                if let ModelHeadCheck::Reading(_, head) = &mut self.vault().joins.check {
                    *head = Some(shared.journal.head());
                }
            }
            ModelAction::CompareHead(_) => self.compare_head(shared, bounds),
            ModelAction::ReadPage(_, n) => {
                let page = &mut self.vault().page_reads[n];
                page.read = Some(shared.journal.page_after(page.after(), bounds.replay_page));
            }
            ModelAction::HandlePage(_, n) => self.page_read(n, shared, bounds),
            ModelAction::PanicVault(_) => self.panic_vault(shared, bounds),
            ModelAction::Deliver(_) => {
                let message = self.relay_messages.remove(0);
                self.deliver(message, bounds);
            }
            ModelAction::DeliverUnordered(_) => {
                let message = self.unordered_answers.remove(0);
                self.deliver(message, bounds);
            }
            ModelAction::CatchUp(_) => self.catch_up(bounds),
            ModelAction::AcquireReplayPermit(_, id) => self.acquire_permit(index_of(self, id)),
            ModelAction::AnswerPoll(_, id) => {
                let n = index_of(self, id);
                self.sessions[n].answer_poll();
            }
            ModelAction::ReleasePoll(_, id) => {
                let n = index_of(self, id);
                self.sessions[n].release_poll();
            }
            ModelAction::CloseSession(_, id) => {
                let n = index_of(self, id);
                self.suspend(n, bounds);
                self.sessions[n].phase = ModelSessionPhase::Closing;
            }
            ModelAction::DetectDisconnect(_, id) => {
                let n = index_of(self, id);
                if self.sessions[n].phase != ModelSessionPhase::Closing {
                    self.suspend(n, bounds);
                }
                self.sessions.remove(n);
            }
            ModelAction::SendPing(_, id) => {
                shared.budget.heartbeats -= 1;
                let n = index_of(self, id);
                self.sessions[n].send_ping(bounds);
            }
            action => unreachable!("{action:?} is not an action of a process"),
        }
    }
}

impl Model for ModelBounds {
    type State = ModelState;
    type Action = ModelAction;

    fn init_states(&self) -> Vec<ModelState> {
        vec![ModelState::new(self)]
    }

    fn actions(&self, state: &ModelState, actions: &mut Vec<ModelAction>) {
        actions.extend(state.progress_actions(self));
        actions.extend(state.optional_actions(self));
    }

    fn next_state(&self, state: &ModelState, action: ModelAction) -> Option<ModelState> {
        let mut next = state.clone();
        next.apply(action, self);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::properties(self)
    }
}
