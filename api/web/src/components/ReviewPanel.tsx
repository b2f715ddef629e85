import type { Mark } from '../logic/marks';
import { countsOf, isEmpty, unfinishedFor, type Review, type Unfinished } from '../logic/review';
import type { Sending } from '../state/studies';

interface Props {
  readonly marks: readonly Mark[];
  readonly review: Review;
  readonly sending: Sending;
  /** Why nothing can be sent at all, null where it can. */
  readonly unavailable: string | null;
  readonly onRest: (action: 'accept' | 'reject') => void;
  readonly onNothing: (nothing: boolean) => void;
  readonly onComment: (comment: string) => void;
  readonly onSend: () => void;
}

const MOST_COMMENT = 2000;
const REASONS: Readonly<Record<Unfinished, string>> = {
  open: 'Accept, reject or move every box first: feedback speaks for the whole image.',
  unnamed: 'Give every box of yours a label first.',
  unsaid: 'Draw a box, or say that there is nothing to mark.',
};

/** The reader's word on the image, to be sent as feedback. */
export function ReviewPanel(props: Props) {
  const { marks, review, sending, unavailable } = props;
  const open = marks.filter((mark) => mark.decision === null).length;
  const unfinished = unfinishedFor(marks, review);
  const reason = unavailable ?? (unfinished === null ? null : REASONS[unfinished]);
  const busy = sending.stage === 'sending';
  const sent = sending.stage === 'sent';
  return (
    <section aria-labelledby="review-title">
      <h2 id="review-title">Review</h2>
      <p className="counts">{countsText(review)}</p>
      {open > 0 && (
        <div className="buttons">
          <button type="button" onClick={() => props.onRest('accept')}>
            Accept the rest ({open})
          </button>
          <button type="button" onClick={() => props.onRest('reject')}>
            Reject the rest ({open})
          </button>
        </div>
      )}
      {isEmpty(marks) && (
        <label className="check">
          <input
            type="checkbox"
            checked={review.nothing}
            onChange={(event) => props.onNothing(event.target.checked)}
          />
          There is nothing to mark in this image
        </label>
      )}
      <label className="comment">
        Comment
        <textarea
          rows={2}
          maxLength={MOST_COMMENT}
          value={review.comment}
          placeholder="Name no patient"
          onChange={(event) => props.onComment(event.target.value)}
        />
      </label>
      <button
        type="button"
        className="main"
        disabled={reason !== null || busy || sent}
        aria-describedby="review-reason"
        onClick={props.onSend}
      >
        {busy ? 'Sending …' : 'Send feedback'}
      </button>
      <p
        id="review-reason"
        className={sending.stage === 'failed' ? 'problem' : 'hint'}
        role="status"
      >
        {sending.stage === 'failed'
          ? `${sending.problem.title}. ${sending.problem.text}`
          : sent
            ? `Stored as ${sending.id}.`
            : (reason ?? '')}
      </p>
    </section>
  );
}

function countsText(review: Review): string {
  const { accept, reject, move, add } = countsOf(review);
  const parts = [
    accept > 0 && `${accept} accepted`,
    move > 0 && `${move} moved`,
    reject > 0 && `${reject} rejected`,
    add > 0 && `${add} of yours`,
  ].filter(Boolean);
  return parts.length > 0 ? parts.join(', ') : 'Nothing judged yet';
}
