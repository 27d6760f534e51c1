//! One request and its answer: what the answer is to be, and sending it as it should be sent.

use std::io;

use crate::answers::answer::{self, Answer};
use crate::answers::status::Status;
use crate::answers::stream::{End, Script, stream};
use crate::answers::target::Target;
use crate::answers::watch::Watch;
use crate::protocol::http::{Request, Response, Wire};
use crate::protocol::tls::Tls;
use crate::state::State;
use crate::state::access::User;
use crate::state::watches::Open;

/// A request that was read, and what its answer depends on.
pub(crate) struct Exchange<'a> {
    pub(crate) state: &'a State,
    pub(crate) connection: u64,
    /// The entry in the journal.
    pub(crate) entry: u64,
    pub(crate) request: &'a Request,
    pub(crate) target: &'a Target,
    pub(crate) user: Option<&'a User>,
}

/// What becomes of the connection.
pub(crate) enum Next {
    /// It goes on.
    Request,
    /// It is closed properly.
    Close,
    /// It ends without the end of TLS.
    Vanish,
}

impl Exchange<'_> {
    /// What a server without faults answers.
    pub(crate) fn right_answer(&self) -> Answer {
        answer::respond(self.state, self.request, self.target, self.user)
    }

    /// Sends that as it should be.
    pub(crate) fn answer_rightly(&self, wire: &mut Wire<Tls>) -> io::Result<Next> {
        self.answer_by(wire, &Script::default())
    }

    /// The same, but a watch goes wrong as the script has it; where there is none, because it is refused, nothing does.
    pub(crate) fn answer_by(&self, wire: &mut Wire<Tls>, script: &Script) -> io::Result<Next> {
        match self.right_answer() {
            Answer::Response(response) => self.answer(wire, &response),
            Answer::Watch(watch) => self.stream(wire, watch, script),
        }
    }

    /// What the real server says with a code about this request.
    pub(crate) fn status(&self, code: u16) -> Status {
        if code != 403 {
            return Status::for_code(code);
        }
        let user = self.user.map_or("system:anonymous", |user| user.name.as_str());
        self.target.forbidden(user, &self.request.path)
    }

    /// Enters the status into the journal; before the client can know it.
    pub(crate) fn note(&self, status: u16) {
        self.state.journal.answered(self.entry, status);
    }

    /// Sends an answer as it should be.
    pub(crate) fn answer(&self, wire: &mut Wire<Tls>, response: &Response) -> io::Result<Next> {
        self.note(response.status);
        wire.respond(response, self.request.keep_alive)?;
        Ok(self.next())
    }

    /// Streams a watch until its end.
    pub(crate) fn stream(&self, wire: &mut Wire<Tls>, watch: Watch, script: &Script) -> io::Result<Next> {
        // Before the head: who saw that may count on being woken.
        let open = Open::enter(&self.state.watches, &self.state.journal, self.connection);
        self.note(200);
        if !script.headless {
            wire.send(&Watch::head(self.request.keep_alive))?;
        }
        Ok(match stream(self.state, open, wire, watch, script)? {
            End::Clean => self.next(),
            End::Gone => Next::Vanish,
        })
    }

    /// After a whole answer.
    fn next(&self) -> Next {
        if self.request.keep_alive {
            Next::Request
        } else {
            Next::Close
        }
    }
}
