/** The codes of topics/ in the catalogue of error codes. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const TOPICS_ERRORS: Catalogue = {
  ERR_TOPICS_CLOSED: {
    className: 'TopicsError',
    sentence: 'The topics are closed.',
    cause:
      'The program called `close()`, or the broker rejected the reconnection for good; then ' +
      '`error.cause` is the reason.',
    remedy: 'Close the topics after the tasks that use them have ended.',
  },
  ERR_TOPICS_CONNECT: {
    className: 'TopicsError',
    sentence: 'The connection to the broker could not be established.',
    cause:
      'No server of `servers` is reachable, or it rejected the credentials or the TLS handshake.',
    remedy: 'Examine `error.cause`. Use `retry` if the broker may start later than the program.',
  },
  ERR_TOPICS_DISCONNECTED: {
    className: 'TopicsError',
    sentence: 'The operation waited for the broker for longer than `maxDisconnectedMs`.',
    cause: 'The connection is lost, or the broker does not respond.',
    remedy: 'The message was not published: try again later, or report the failure to the caller.',
  },
  ERR_TOPICS_DENIED: {
    className: 'TopicsError',
    sentence: 'The broker has denied a subscription, or an earlier published message.',
    cause: 'The account of the program has no permission for the subject.',
    remedy: 'Change the permissions in the configuration of the broker, or the subject.',
  },
  ERR_PUBLISH_UNCONFIRMED: {
    className: 'UnconfirmedError',
    sentence: 'Messages that were published earlier may not have been delivered.',
    cause:
      'The connection was lost before the broker confirmed them. `error.messages` is their number.',
    remedy:
      'Reported once. The current operation has not happened: repeat it. Publish the earlier ' +
      'messages again if their receivers tolerate duplicates.',
  },
  ERR_NO_RESPONDERS: {
    className: 'TopicsError',
    sentence: 'No subscription receives requests to the subject.',
    cause: 'The service is not running, or subscribes to another subject.',
    remedy: 'Start the service, or use `retry`.',
  },
  ERR_NO_REPLY_SUBJECT: {
    className: 'TopicsError',
    sentence: 'The message is not a request, so it has no subject for a response.',
    cause: 'It was sent with `publish`.',
    remedy: 'Send it with `request`, or examine `message.reply` before `respond`.',
  },
  ERR_MESSAGE_TOO_LARGE: {
    className: 'TopicsError',
    sentence: 'The message is larger than the broker permits.',
    cause: 'A NATS server permits 1 MB by default (max_payload).',
    remedy: 'Send large data in parts, or store it and send its name.',
  },
};
