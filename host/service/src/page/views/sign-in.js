// Asks for a token.
import { element, refill } from '../elements.js';
import { field, showTrouble } from '../parts.js';
import { forget, keepToken } from '../session.js';

/** Shows the form in `content`; `enter` goes on when a token is there, and fails when it is not accepted. */
export function signIn(content, why, enter) {
  document.title = 'Sign in · lockgate';
  const input = element('input', { type: 'password', autocomplete: 'current-password', required: true, spellcheck: 'false' });
  const place = element('div', { class: 'trouble-place' });
  const submit = element('button', { type: 'submit', class: 'primary' }, 'Sign in');
  const form = element('form', {
    async onsubmit(event) {
      event.preventDefault();
      submit.disabled = true;
      place.replaceChildren();
      keepToken(input.value.trim());
      try {
        await enter();
      } catch (error) {
        forget();
        showTrouble(error, place);
        input.select();
      } finally {
        submit.disabled = false;
      }
    },
  },
  field('Token', input, 'Whoever runs this service gives you one. It is kept in this tab only, until you sign out or close it.'),
  place, submit);
  refill(content, element('div', { class: 'sign-in' },
    element('h1', { tabindex: '-1' }, 'Sign in'), why && element('p', { class: 'trouble', role: 'status' }, why), form));
  input.focus();
}
