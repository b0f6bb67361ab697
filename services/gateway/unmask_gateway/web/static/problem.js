// What went wrong, in the words that people get to see.

// Some advice of the API is for programs; this is the same for people.
const FOR_PEOPLE = {
  malformed_video_id: "The address is not complete. Look for the video among the past ones.",
  video_not_found: "It may have been deleted. Look for it among the past videos, or send it again.",
  route_not_found: "Check the address, or begin anew.",
  invalid_cursor: "Begin at the first page again.",
  invalid_model_ref: "Choose one of the models in the list.",
  model_not_found: "Choose one of the models in the list.",
  api_key_required: "Enter the key that you were given.",
  too_many_requests: "Wait a moment. Whoever runs this server sets how much is allowed.",
  too_many_unfinished_videos: "Wait until some of your videos are finished, or cancel some.",
  dependency_unavailable: "Nothing is lost. Try again in a moment.",
  object_store_unavailable: "Nothing is lost. Try again in a moment.",
  job_store_unavailable: "Nothing is lost. Try again in a moment.",
};

export class Problem extends Error {
  constructor({ title, detail, action, code = "", status = 0, retryable = false, waitS = 0 }) {
    super(detail);
    this.title = title;
    this.action = FOR_PEOPLE[code] ?? action;
    this.code = code;
    this.status = status;
    this.waitS = waitS;
    // Without an answer, or while the server is not well, the same may work in a moment.
    this.mayPass = retryable || status === 0 || status >= 500 || status === 429;
  }
}

export const unreachable = () =>
  new Problem({
    title: "The server cannot be reached",
    detail: "The connection broke before there was an answer.",
    action: "Check the network and try again. What the server has accepted is not lost.",
  });

/** From an answer that is no success; `waitS` is its Retry-After. */
export function problemFrom(status, text, retryAfter = null) {
  const waitS = Number(retryAfter ?? 0) || 0;
  try {
    return new Problem({ ...JSON.parse(text), status, waitS });
  } catch {
    return new Problem({
      title: "The server answered with an error",
      detail: `HTTP status ${status}.`,
      action: "Try again in a moment.",
      status,
      waitS,
    });
  }
}
