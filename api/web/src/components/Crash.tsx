import { Component, type ReactNode } from 'react';

/** Stands in for the page where a fault of its own would leave it blank. */
export class Crash extends Component<{ children: ReactNode }, { message: string | null }> {
  override state = { message: null };

  static getDerivedStateFromError(error: unknown) {
    return { message: error instanceof Error ? error.message : String(error) };
  }

  override render(): ReactNode {
    if (this.state.message === null) return this.props.children;
    return (
      <main className="card problem-card" role="alert">
        <h1>The page has failed</h1>
        <p>This is a fault of the page, not of your images: {this.state.message}</p>
        <button type="button" className="main" onClick={() => location.reload()}>
          Load it again
        </button>
      </main>
    );
  }
}
