//! Executes the requests of a client, in the order sent.

use std::collections::VecDeque;

use tracing::{Instrument, debug};

use crate::{
    access::limits::LimitExceeded,
    contract::{
        admission::{Admission, MutationGate, SourceAdmission},
        problem::{ErrorCode, Problem},
    },
    domain::{Command, Mutation, MutationAnswer, VaultId, idempotency::IdempotencyKey},
    gateway::{
        emit::acknowledge,
        panic_guard::PanicGuard,
        protocol::{
            self, ClientEvent, ClientRequest, LeaveAck, MutationAck, MutationContent,
            MutationSubject, NamedTarget,
        },
        relay::JoinRequest,
    },
    vault::{Attach, VaultError},
};

use super::{
    joined_vaults::JoinedVault,
    responses::ResponseContext,
    state::{ConnectionContext, LookupState, QueuedRequest, UserConnection},
};

/// How many requests of one socket wait for a lookup. Further requests are refused as busy.
const MAX_QUEUED_REQUESTS: usize = 1024;

impl UserConnection {
    /// Executes a request, after those that wait for a lookup.
    pub(super) fn enqueue(&self, request: QueuedRequest) {
        let mut lookup = self.0.lookup.borrow_mut();
        match &mut *lookup {
            LookupState::Idle => {
                drop(lookup);
                self.execute(request);
            }
            LookupState::InProgress(queue) if queue.len() >= MAX_QUEUED_REQUESTS => {
                drop(lookup);
                self.fail(request.response, VaultError::Busy.into());
            }
            LookupState::InProgress(queue) => queue.push_back(request),
        }
    }

    /// Responds with an error.
    pub(super) fn fail(&self, response: ResponseContext, problem: Problem) {
        self.0.context.metrics.event_refused(problem.code);
        response.fail(&self.0.socket, &self.0.user, problem);
    }

    /// Executes the requests that have waited for a lookup, up to the first that needs another one.
    fn run_queue(&self) {
        while let Some(request) = self.pop_request() {
            match self.execute(request) {
                Execution::Done => {}
                Execution::LookingUp => return,
            }
        }
    }

    fn execute(&self, request: QueuedRequest) -> Execution {
        let QueuedRequest { request, response } = request;
        match request {
            ClientRequest::Join { vault, attach } => self.join(vault, attach, response),
            ClientRequest::Leave { vault } => self.leave(&vault, response),
            ClientRequest::Mutate { target, content } => {
                let mutation = content.map(|content| {
                    let MutationContent { command, key } = *content;
                    self.mutation(command, key)
                });
                match self.admit_known_member(&target) {
                    Some(admitted) => self.submit(admitted, mutation, response),
                    None => {
                        self.admit_and_submit(target, mutation, response);
                        return Execution::LookingUp;
                    }
                }
            }
        }
        Execution::Done
    }

    /// Returns a mutation by the user of the session. The client cannot choose its author.
    fn mutation(&self, command: Command, key: Option<IdempotencyKey>) -> Mutation {
        Mutation {
            by: self.0.user.clone(),
            command,
            key,
        }
    }

    /// Takes the next request that has waited for a lookup. Behind the last one, requests need not wait any more.
    fn pop_request(&self) -> Option<QueuedRequest> {
        let mut lookup = self.0.lookup.borrow_mut();
        let LookupState::InProgress(queue) = &mut *lookup else {
            return None;
        };
        let next = queue.pop_front();
        if next.is_none() {
            *lookup = LookupState::Idle;
        }
        next
    }

    fn join(&self, id: VaultId, attach: Attach, response: ResponseContext) {
        let relay = &self.0.relay;
        let subscriber = self.0.subscriptions.borrow().get(&id);
        if subscriber.is_none()
            && let Err(error) = self.check_join_limit()
        {
            return self.fail(response, error.into());
        }
        let request = JoinRequest {
            vault: self.0.context.vaults.open(&id),
            subscriber,
            attach,
            ack: response.ack,
        };
        let subscriber = relay.join(request, &self.0.attachment);
        let mut subscriptions = self.0.subscriptions.borrow_mut();
        subscriptions.insert(JoinedVault {
            vault: id,
            subscriber,
        });
        if subscriptions.len().is_power_of_two() {
            // Removes refused joins and ended subscriptions, so that they do not accumulate.
            subscriptions.retain(|joined| relay.is_subscribed(&joined.vault, joined.subscriber));
        }
    }

    /// Checks whether the socket may join another vault.
    fn check_join_limit(&self) -> Result<(), LimitExceeded> {
        let (limits, mut subscriptions) =
            (&self.0.context.limits, self.0.subscriptions.borrow_mut());
        if limits.may_join(subscriptions.len()) {
            return Ok(());
        }
        // Some subscriptions may have ended.
        let relay = &self.0.relay;
        subscriptions.retain(|joined| relay.is_subscribed(&joined.vault, joined.subscriber));
        limits.check_join(subscriptions.len())
    }

    fn leave(&self, id: &VaultId, response: ResponseContext) {
        if let Some(subscriber) = self.0.subscriptions.borrow_mut().remove(id) {
            for ack in self.0.relay.leave(id, subscriber) {
                let problem = Problem::new(
                    ErrorCode::Conflict,
                    "The vault was left before the join completed",
                );
                self.0.context.metrics.event_refused(problem.code);
                let error = protocol::ErrorPayload::new(
                    problem,
                    ClientEvent::Join.name(),
                    Some(id.clone()),
                );
                acknowledge(ack, &error.acknowledgement());
            }
        }
        if let Some(ack) = response.ack {
            acknowledge(ack, &LeaveAck::OK);
        }
    }

    /// Checks that the user is a member of the vault that the client named, or of the vault of the source that it named.
    /// Then submits the mutation there, and continues with the queue.
    fn admit_and_submit(
        &self,
        named: NamedTarget,
        mutation: Result<Mutation, Problem>,
        mut response: ResponseContext,
    ) {
        if let MutationSubject::Source(_) = &named.subject {
            response.vault = None; // the client may have named a wrong one
        }
        self.await_lookup();
        let this = self.clone();
        let guard = PanicGuard::new(&self.0.socket);
        actix::spawn(async move {
            let _guard = guard;
            let admitted = this.admit(named).instrument(response.span.clone()).await;
            match admitted {
                Ok(admitted) => this.submit(admitted, mutation, response),
                Err(problem) => this.fail(response, problem),
            }
            this.run_queue();
        });
    }

    /// Lets later requests wait, behind those that wait already.
    fn await_lookup(&self) {
        let mut lookup = self.0.lookup.borrow_mut();
        if let LookupState::Idle = *lookup {
            *lookup = LookupState::InProgress(VecDeque::new());
        }
    }

    /// Admits a mutation that names a vault which the user is known to be a member of.
    fn admit_known_member(&self, named: &NamedTarget) -> Option<AdmittedTarget> {
        let MutationSubject::Vault(vault) = &named.subject else {
            return None;
        };
        let admission = self.gate().admit_known_member(&self.0.user.id, vault)?;
        let vault = vault.clone();
        Some(AdmittedTarget::Vault { vault, admission })
    }

    async fn admit(&self, named: NamedTarget) -> Result<AdmittedTarget, Problem> {
        let (gate, user) = (self.gate(), &self.0.user.id);
        let NamedTarget { subject, kind } = named;
        Ok(match subject {
            MutationSubject::Vault(vault) => {
                let admission = gate.admit_to_vault(user, &vault, kind).await?;
                AdmittedTarget::Vault { vault, admission }
            }
            MutationSubject::Source(source) => {
                AdmittedTarget::Source(gate.admit_to_source(user, &source, kind).await?)
            }
        })
    }

    /// Submits an admitted mutation. When this returns, it has its position in the order of its vault. A request with
    /// invalid content is refused.
    fn submit(
        &self,
        target: AdmittedTarget,
        mutation: Result<Mutation, Problem>,
        response: ResponseContext,
    ) {
        let mutation = match mutation {
            Ok(mutation) => mutation,
            Err(problem) => return self.fail(response, problem),
        };
        let (vault, admission, target) = match target {
            AdmittedTarget::Vault { vault, admission } => (vault, admission, MutationTarget::Vault),
            AdmittedTarget::Source(SourceAdmission { vault, admission }) => {
                (vault.clone(), admission, MutationTarget::Source(vault))
            }
        };
        if let Err(error) = self.gate().count(&self.0.user.id, admission) {
            return self.fail(response, error.into());
        }
        let outcome = self.0.context.vaults.open(&vault).submit(mutation);
        self.respond_later(outcome, response, target);
    }

    fn gate(&self) -> MutationGate<'_> {
        let ConnectionContext { vaults, limits, .. } = &*self.0.context;
        MutationGate { vaults, limits }
    }

    /// Awaits the outcome of a mutation in a task of its own and responds.
    fn respond_later(
        &self,
        outcome: impl Future<Output = Result<MutationAnswer, VaultError>> + 'static,
        mut response: ResponseContext,
        target: MutationTarget,
    ) {
        let this = self.clone();
        let guard = PanicGuard::new(&self.0.socket);
        actix::spawn(async move {
            let _guard = guard;
            match outcome.await {
                Ok(answer) => {
                    debug!(parent: &response.span, event.seq = answer.seq.0, "answered");
                    // Without an acknowledgement, the event itself is the response.
                    if let Some(ack) = response.ack {
                        acknowledge(ack, &MutationAck::from(answer));
                    }
                }
                Err(error) => {
                    let mut problem = Problem::from(error);
                    if let MutationTarget::Source(vault) = target {
                        problem = problem.hiding_source();
                        if problem.code != ErrorCode::NotFound {
                            response.vault = Some(vault);
                        }
                    }
                    this.fail(response, problem);
                }
            }
        });
    }
}

/// Whether a request was executed.
enum Execution {
    Done,
    /// It waits for a lookup, and later requests wait for it.
    LookingUp,
}

/// A target whose vault the user is a member of.
enum AdmittedTarget {
    Vault {
        vault: VaultId,
        admission: Admission,
    },
    Source(SourceAdmission),
}

/// What a client named as the target of a submitted mutation.
enum MutationTarget {
    /// The vault.
    Vault,
    /// A source of this vault. A client that is not a member learns neither that the source exists nor its vault.
    Source(VaultId),
}
