import { createRoot } from 'react-dom/client';
import { App } from './App';
import { Crash } from './components/Crash';
import './styles/base.css';
import './styles/strip.css';
import './styles/welcome.css';
import './styles/picture.css';
import './styles/panel.css';
import './styles/findings.css';
import './styles/layout.css';

createRoot(document.getElementById('root')!).render(
  <Crash>
    <App />
  </Crash>,
);
