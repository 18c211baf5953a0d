//! Counts the packets of one client with the application's meter.

use crate::{
    engineio::CloseReason,
    meter::{MeterDecision, PacketMeter},
};

/// Whether the meter has accepted a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketAdmission {
    Accepted,
    Refused,
}

/// The meter of one client, and its decision about the packet that is being received.
pub(super) struct PacketCounter {
    meter: Box<dyn PacketMeter>,
    first_connect: FirstConnect,
    /// A binary packet consists of several messages. It is refused if one of them is.
    admission: PacketAdmission,
}

/// Whether the client has sent its first CONNECT, which is not counted.
enum FirstConnect {
    Expected,
    Received,
}

impl PacketCounter {
    pub(super) fn new(meter: Box<dyn PacketMeter>) -> Self {
        Self {
            meter,
            first_connect: FirstConnect::Expected,
            admission: PacketAdmission::Accepted,
        }
    }

    /// Counts a text message.
    ///
    /// # Errors
    /// The reason for which the session must be closed.
    pub(super) fn count_text(&mut self, text: &str) -> Result<(), CloseReason> {
        match self.first_connect {
            // The type of a CONNECT is 0.
            FirstConnect::Expected if text.starts_with('0') => {
                self.first_connect = FirstConnect::Received;
                Ok(())
            }
            FirstConnect::Expected | FirstConnect::Received => self.count_message(text.len()),
        }
    }

    /// Counts a message of `bytes` bytes.
    ///
    /// # Errors
    /// The reason for which the session must be closed.
    pub(super) fn count_message(&mut self, bytes: usize) -> Result<(), CloseReason> {
        match self.meter.count(bytes) {
            MeterDecision::Accept => Ok(()),
            MeterDecision::Refuse => {
                self.admission = PacketAdmission::Refused;
                Ok(())
            }
            MeterDecision::Close(reason) => Err(reason),
        }
    }

    /// Counts a packet that is not a message. There is nothing to refuse.
    ///
    /// # Errors
    /// The reason for which the session must be closed.
    pub(super) fn count_control(&mut self, bytes: usize) -> Result<(), CloseReason> {
        match self.meter.count(bytes) {
            MeterDecision::Accept | MeterDecision::Refuse => Ok(()),
            MeterDecision::Close(reason) => Err(reason),
        }
    }

    /// Returns the decision about a complete packet, and starts with the next packet.
    pub(super) fn take_admission(&mut self) -> PacketAdmission {
        std::mem::replace(&mut self.admission, PacketAdmission::Accepted)
    }
}
